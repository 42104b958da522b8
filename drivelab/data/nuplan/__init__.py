"""nuPlan maps (GeoPackage) and logs (SQLite)."""
