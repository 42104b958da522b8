"""NAVSIM's scores: PDMS v1.1, EPDMS v2.2, and the PDM-Closed reference they compare with."""
