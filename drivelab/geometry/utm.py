"""Longitude and latitude to UTM metres by the Krueger series, without a GIS library.

Source: C. Karney, "Transverse Mercator with an accuracy of a few nanometers" (2011), eq. 35: the
series in the third flattening n to sixth order; WGS84 ellipsoid.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

EQUATORIAL_RADIUS = 6378137.0  # [m]
FLATTENING = 1 / 298.257223563
CENTRAL_SCALE = 0.9996
FALSE_EASTING = 500_000.0  # [m]
FALSE_NORTHING_SOUTH = 10_000_000.0  # [m]

_N = FLATTENING / (2 - FLATTENING)
_ECCENTRICITY = np.sqrt(FLATTENING * (2 - FLATTENING))
_RECTIFYING_RADIUS = EQUATORIAL_RADIUS / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64 + _N**6 / 256)
# Coefficients of n^k, n^(k+1), ..., n^6 for the terms k = 1..6.
_SERIES = (
    (1 / 2, -2 / 3, 5 / 16, 41 / 180, -127 / 288, 7891 / 37800),
    (13 / 48, -3 / 5, 557 / 1440, 281 / 630, -1983433 / 1935360),
    (61 / 240, -103 / 140, 15061 / 26880, 167603 / 181440),
    (49561 / 161280, -179 / 168, 6601661 / 7257600),
    (34729 / 80640, -3418889 / 1995840),
    (212378941 / 319334400,),
)
_ALPHA = tuple(
    sum(factor * _N ** (k + i) for i, factor in enumerate(factors))
    for k, factors in enumerate(_SERIES, start=1)
)


def utm_from_lonlat(
    lonlat: Float[np.ndarray, "n 2"], zone: int, *, south: bool = False
) -> Float[np.ndarray, "n 2"]:
    """Project (longitude, latitude) [deg] to (easting, northing) [m] of a UTM zone."""
    lon, lat = np.radians(np.asarray(lonlat, float)).T
    lon = lon - np.radians(6.0 * zone - 183.0)
    sin_lat = np.sin(lat)
    conformal = np.sinh(np.arctanh(sin_lat) - _ECCENTRICITY * np.arctanh(_ECCENTRICITY * sin_lat))
    xi = np.arctan2(conformal, np.cos(lon))
    eta = np.arcsinh(np.sin(lon) / np.hypot(conformal, np.cos(lon)))
    north, east = xi.copy(), eta.copy()
    for k, alpha in enumerate(_ALPHA, start=1):
        north += alpha * np.sin(2 * k * xi) * np.cosh(2 * k * eta)
        east += alpha * np.cos(2 * k * xi) * np.sinh(2 * k * eta)
    scale = CENTRAL_SCALE * _RECTIFYING_RADIUS
    origin = FALSE_NORTHING_SOUTH if south else 0.0
    return np.column_stack([FALSE_EASTING + scale * east, origin + scale * north])
