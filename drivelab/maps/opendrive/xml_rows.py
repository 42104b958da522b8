"""One pass over OpenDRIVE XML with expat: elements -> flat rows.

Document type declarations, where entities live, are refused. `userData` is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import Any, NoReturn
from xml.parsers import expat

from drivelab.errors import DataError

Attributes = dict[str, str]
UNITS = {"": 1.0, "m/s": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "mph": 0.44704}
_SIDES = ("left", "center", "right")
_LARGEST_LANE = 1_000_000  # of lane ids
_TO_UP, _TO_DOWN = ("both", "increase"), ("both", "decrease")


class XmlRows:
    """Rows as the file lists them; owners are the numbers of roads, sections and lanes so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.roads: list[tuple[str, str, float, bool]] = []  # id, junction, length, left-hand
        self.road_links: dict[str, dict[int, tuple[str, str, str]]] = {
            "predecessor": {},
            "successor": {},
        }
        self.geometry: list[list[Any]] = []  # road, s, x, y, heading, length, shape, parameters
        self.offsets: list[tuple[int | float, ...]] = []
        self.elevations: list[tuple[int | float, ...]] = []
        self.road_speeds: list[tuple[int | float, ...]] = []
        self.sections: list[tuple[int, float]] = []  # road, s
        self.lanes: list[list[Any]] = []  # section, id, type, predecessor, successor
        self.widths: list[tuple[int | float, ...]] = []
        self.borders: list[tuple[int | float, ...]] = []
        self.lane_speeds: list[tuple[int | float, ...]] = []
        self.marks: list[tuple[int, float, bool, bool, bool]] = []  # lane, s, up, down, kerb
        self.objects: list[dict[str, Any]] = []
        self.signals: list[dict[str, Any]] = []
        self.connections: list[dict[str, Any]] = []
        self.controllers: dict[str, list[str]] = {}
        self.junctions: dict[str, list[str]] = {}  # controller ids
        self._path: list[str] = [""]
        self._skipped = 0
        self._junction = ""
        self._controller = ""
        self._holder: dict[str, Any] = {}  # the signal or object that validities belong to
        self._type_s = 0.0

    def start(self, name: str, a: Attributes) -> None:
        """An element begins."""
        if self._skipped or name == "userData":
            self._skipped += 1
            return
        handler = _HANDLERS.get(f"{self._path[-1]}/{name}")
        self._path.append(name)
        if handler is not None:
            handler(self, a)

    def end(self, name: str) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
        else:
            self._path.pop()

    @property
    def place(self) -> str:
        """Where the pass is, for messages."""
        element = f"<{self._path[-1]}>"
        if "road" in self._path and self.roads:
            return f"road {self.roads[-1][0]}, {element}"
        if "junction" in self._path:
            return f"junction {self._junction}, {element}"
        return element

    def _road(self, a: Attributes) -> None:
        junction = a.get("junction", "-1")
        left_hand = a.get("rule", "RHT").upper() == "LHT"
        self.roads.append(
            (a["id"], "" if junction == "-1" else junction, float(a["length"]), left_hand)
        )

    def _link(self, end: str, a: Attributes) -> None:
        if self._path[-3] == "lane":
            self.lanes[-1][3 if end == "predecessor" else 4] = _lane_number(a["id"])
        else:
            link = (a.get("elementType", "road"), a["elementId"], a.get("contactPoint", ""))
            self.road_links[end][len(self.roads) - 1] = link

    def _predecessor(self, a: Attributes) -> None:
        self._link("predecessor", a)

    def _successor(self, a: Attributes) -> None:
        self._link("successor", a)

    def _geometry(self, a: Attributes) -> None:
        values = [float(a[key]) for key in ("s", "x", "y", "hdg", "length")]
        self.geometry.append([len(self.roads) - 1, *values, ""])

    def _shape(self, a: Attributes) -> None:
        name = self._path[-1]
        keys = _PARAMETERS.get(name)
        if keys is None:
            known = ", ".join(f"<{key}>" for key in _PARAMETERS)
            raise ValueError(f"this kind of geometry is not known; expected one of {known}")
        self.geometry[-1][6] = name
        self.geometry[-1] += [float(a[key]) for key in keys]
        if name == "paramPoly3":
            self.geometry[-1].append(float(a.get("pRange", "normalized") == "arcLength"))

    def _cubic(
        self, rows: list[tuple[int | float, ...]], owner: int, s: float, a: Attributes
    ) -> None:
        rows.append((owner, s, float(a["a"]), float(a["b"]), float(a["c"]), float(a["d"])))

    def _offset(self, a: Attributes) -> None:
        self._cubic(self.offsets, len(self.roads) - 1, float(a["s"]), a)

    def _elevation(self, a: Attributes) -> None:
        self._cubic(self.elevations, len(self.roads) - 1, float(a["s"]), a)

    def _width(self, a: Attributes) -> None:
        s = self.sections[-1][1] + float(a["sOffset"])
        self._cubic(self.widths, len(self.lanes) - 1, s, a)

    def _border(self, a: Attributes) -> None:
        s = self.sections[-1][1] + float(a["sOffset"])
        self._cubic(self.borders, len(self.lanes) - 1, s, a)

    def _type(self, a: Attributes) -> None:
        self._type_s = _finite(a, "s")

    def _road_speed(self, a: Attributes) -> None:
        self.road_speeds.append((len(self.roads) - 1, self._type_s, limit(a)))

    def _lane_speed(self, a: Attributes) -> None:
        s = self.sections[-1][1] + _finite(a, "sOffset", "0")
        self.lane_speeds.append((len(self.lanes) - 1, s, limit(a)))

    def _section(self, a: Attributes) -> None:
        self.sections.append((len(self.roads) - 1, float(a["s"])))

    def _lane(self, a: Attributes) -> None:
        number = _lane_number(a["id"])
        self.lanes.append([len(self.sections) - 1, number, a.get("type", "none"), 0, 0])

    def _mark(self, a: Attributes) -> None:
        change = a.get("laneChange")
        if change is None:  # the format's default follows from the kind of line
            change = "both" if a.get("type", "none") in ("broken", "none", "botts dots") else "none"
        kerb = a.get("type") == "curb"
        place = _finite(a, "sOffset", "0")
        self.marks.append((len(self.lanes) - 1, place, change in _TO_UP, change in _TO_DOWN, kerb))

    def _object(self, a: Attributes) -> None:
        self._holder = {"road": len(self.roads) - 1, **a, "corners": [], "by_road": False}
        self.objects.append(self._holder)

    def _corner(self, a: Attributes) -> None:
        self._holder["corners"].append((float(a["u"]), float(a["v"])))

    def _corner_road(self, a: Attributes) -> None:
        self._holder["corners"].append((float(a["s"]), float(a["t"])))
        self._holder["by_road"] = True

    def _signal(self, a: Attributes) -> None:
        reference = self._path[-1] == "signalReference"
        self._holder = {"road": len(self.roads) - 1, **a, "lanes": [], "reference": reference}
        self.signals.append(self._holder)

    def _validity(self, a: Attributes) -> None:
        self._holder["lanes"].append((_lane_number(a["fromLane"]), _lane_number(a["toLane"])))

    def _controller_start(self, a: Attributes) -> None:
        self._controller = a["id"]
        self.controllers[a["id"]] = []

    def _control(self, a: Attributes) -> None:
        self.controllers[self._controller].append(a["signalId"])

    def _junction_start(self, a: Attributes) -> None:
        self._junction = a["id"]
        self.junctions[a["id"]] = []

    def _junction_controller(self, a: Attributes) -> None:
        self.junctions[self._junction].append(a["id"])

    def _connection(self, a: Attributes) -> None:
        self.connections.append({**a, "junction": self._junction, "lanes": []})

    def _lane_link(self, a: Attributes) -> None:
        self.connections[-1]["lanes"].append((_lane_number(a["from"]), _lane_number(a["to"])))


_PARAMETERS: dict[str, tuple[str, ...]] = {
    "line": (),
    "arc": ("curvature",),
    "spiral": ("curvStart", "curvEnd"),
    "poly3": ("a", "b", "c", "d"),
    "paramPoly3": ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV"),
}
_GEOMETRY_TAGS = (*_PARAMETERS, "clothoid", "nurbs", "polyline")
_HANDLERS: dict[str, Callable[[XmlRows, Attributes], None]] = {
    "OpenDRIVE/road": XmlRows._road,
    "link/predecessor": XmlRows._predecessor,
    "link/successor": XmlRows._successor,
    "road/type": XmlRows._type,
    "type/speed": XmlRows._road_speed,
    "planView/geometry": XmlRows._geometry,
    **{f"geometry/{name}": XmlRows._shape for name in _GEOMETRY_TAGS},
    "elevationProfile/elevation": XmlRows._elevation,
    "lanes/laneOffset": XmlRows._offset,
    "lanes/laneSection": XmlRows._section,
    **{f"{side}/lane": XmlRows._lane for side in _SIDES},
    "lane/width": XmlRows._width,
    "lane/border": XmlRows._border,
    "lane/speed": XmlRows._lane_speed,
    "lane/roadMark": XmlRows._mark,
    "objects/object": XmlRows._object,
    "outline/cornerLocal": XmlRows._corner,
    "outline/cornerRoad": XmlRows._corner_road,
    "signals/signal": XmlRows._signal,
    "signals/signalReference": XmlRows._signal,
    "signal/validity": XmlRows._validity,
    "signalReference/validity": XmlRows._validity,
    "OpenDRIVE/controller": XmlRows._controller_start,
    "controller/control": XmlRows._control,
    "OpenDRIVE/junction": XmlRows._junction_start,
    "junction/controller": XmlRows._junction_controller,
    "junction/connection": XmlRows._connection,
    "connection/laneLink": XmlRows._lane_link,
}


def _lane_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = _LARGEST_LANE + 1
    if abs(number) > _LARGEST_LANE:
        raise ValueError(f"the lane id {text[:40]!r} is no whole number up to {_LARGEST_LANE}")
    return number


def _finite(a: Attributes, key: str, default: str | None = None) -> float:
    """A number that no table checks later; without a default the attribute must be there."""
    text = a[key] if default is None else a.get(key, default)
    try:
        number = float(text)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise ValueError(f"its {key} is {text[:40]!r}; expected a finite number")
    return number


def limit(a: Attributes) -> float:
    """A speed limit [m/s]; NaN for "no limit", "undefined" and numbers that are not positive.

    Raises:
        ValueError: the unit is not known, or the limit is no finite number.
    """
    text = a.get("max", "undefined")
    if text in ("no limit", "undefined"):
        return float("nan")
    unit = a.get("unit", "")
    if unit not in UNITS:
        raise ValueError(f"the unit {unit!r} is not known; expected one of {sorted(UNITS)}")
    value = _finite(a, "max") * UNITS[unit]
    return value if value > 0.0 else float("nan")


def read_rows(content: bytes, file: str) -> XmlRows:
    """Parse a whole file.

    Raises:
        DataError: broken XML, a document type declaration, an element without what it must have.
    """
    rows = XmlRows(file)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refusal(file)
    parser.StartElementHandler = rows.start
    parser.EndElementHandler = rows.end
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(
            f"cannot be read as XML, it may be cut short ({error})", file=file
        ) from error
    except KeyError as error:
        where = f"line {parser.CurrentLineNumber}, {rows.place}"
        raise DataError(f"has no attribute {error}", file=file, where=where) from error
    except (ValueError, IndexError) as error:
        where = f"line {parser.CurrentLineNumber}, {rows.place}"
        raise DataError(str(error), file=file, where=where) from error
    except LookupError as error:
        raise DataError(f"cannot be read as XML ({error})", file=file) from error
    return rows


def _refusal(file: str) -> Callable[..., NoReturn]:
    def refuse(*declaration: object) -> NoReturn:
        raise DataError(
            "has a document type declaration; entities are never expanded, so it is refused",
            file=file,
        )

    return refuse
