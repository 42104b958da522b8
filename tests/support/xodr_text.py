"""Small OpenDRIVE files as text, for cases that can be computed by hand."""

from __future__ import annotations

LINE = "<line/>"


def cubic(tag: str, key: str, *values: float) -> str:
    """A record `<tag key=s a= b= c= d=/>`; missing coefficients are 0."""
    s, *coefficients = values
    names = zip("abcd", [*coefficients, 0, 0, 0, 0], strict=False)
    return f'<{tag} {key}="{s}" ' + " ".join(f'{n}="{v}"' for n, v in names) + "/>"


def lane(number: int, kind: str = "driving", inner: str = "", *, width: float = 3.5) -> str:
    """A lane of constant width; `inner` goes before the width, or replaces it with its own."""
    own = "" if "<width" in inner or "<border" in inner else cubic("width", "sOffset", 0, width)
    return f'<lane id="{number}" type="{kind}" level="false">{inner}{own}</lane>'


def link(predecessor: int | None = None, successor: int | None = None) -> str:
    """Links of a lane."""
    parts = [
        f'<{end} id="{number}"/>'
        for end, number in (("predecessor", predecessor), ("successor", successor))
        if number is not None
    ]
    return f"<link>{''.join(parts)}</link>"


def section(*, s: float = 0, left: str = "", right: str = "", centre: str = "") -> str:
    """A lane section; lanes on each side as text."""
    left = f"<left>{left}</left>" if left else ""
    right = f"<right>{right}</right>" if right else ""
    middle = f'<center><lane id="0" type="none">{centre}</lane></center>'
    return f'<laneSection s="{s}">{left}{middle}{right}</laneSection>'


def geometry(
    shape: str = LINE,
    *,
    s: float = 0,
    x: float = 0,
    y: float = 0,
    hdg: float = 0,
    length: float = 100,
) -> str:
    """A piece of a plan view."""
    place = f's="{s}" x="{x}" y="{y}" hdg="{hdg}" length="{length}"'
    return f"<geometry {place}>{shape}</geometry>"


def road(
    number: str,
    sections: str,
    plan: str = "",
    *,
    length: float = 100,
    junction: str = "-1",
    links: str = "",
    offset: str = "",
    extra: str = "",
    more: str = "",
) -> str:
    """A road; `extra` stands before the plan view, `more` after the lanes."""
    return (
        f'<road name="r" length="{length}" id="{number}" junction="{junction}" {extra_rule(extra)}>'
        f"<link>{links}</link>{extra.replace('LHT', '')}<planView>{plan or geometry(length=length)}"
        f"</planView><lanes>{offset}{sections}</lanes>{more}</road>"
    )


def extra_rule(extra: str) -> str:
    """`LHT` in `extra` makes traffic keep to the left."""
    return 'rule="LHT"' if "LHT" in extra else ""


def document(*parts: str) -> bytes:
    """A whole file."""
    body = "".join(parts)
    head = '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4"/>'
    return f"{head}{body}</OpenDRIVE>".encode()


def crossing() -> bytes:
    """Road 1 (east, two lanes ahead, one back) enters junction 9; roads 2 and 3 leave it.

    Connecting road 11 goes straight on to road 2, road 12 turns left onto road 3. A light governs
    both lanes ahead of road 11, a stop sign road 12; both are posted beside road 1.
    """
    into = '<successor elementType="junction" elementId="9"/>'
    two = lane(-1, inner=_BROKEN + link(successor=-1)) + lane(-2, inner=link(successor=-2))
    one = road(
        "1",
        section(left=lane(1), right=two),
        links=into,
        more='<signals><signal id="70" name="" s="95" t="-8" orientation="+" dynamic="yes" '
        'type="1000001" subtype="-1" value="-1"><validity fromLane="0" toLane="0"/></signal>'
        '<signal id="71" name="" s="95" t="-9" orientation="+" dynamic="no" type="206" '
        'subtype="-1" value="-1"><validity fromLane="0" toLane="0"/></signal></signals>',
    )
    out = '<predecessor elementType="junction" elementId="9"/>'
    straight = road(
        "11",
        section(right=lane(-1, inner=link(-1, -1)) + lane(-2, inner=link(-2, -2))),
        geometry(x=100, length=20),
        length=20,
        junction="9",
        links='<predecessor elementType="road" elementId="1" contactPoint="end"/>'
        '<successor elementType="road" elementId="2" contactPoint="start"/>',
        more='<signals><signalReference id="70" s="0" t="0" orientation="+">'
        '<validity fromLane="-2" toLane="-1"/></signalReference></signals>',
    )
    turn = road(
        "12",
        section(right=lane(-1, inner=link(-1, -1))),
        geometry('<arc curvature="0.1"/>', x=100, length=15.707963267948966),
        length=15.707963267948966,
        junction="9",
        links='<predecessor elementType="road" elementId="1" contactPoint="end"/>'
        '<successor elementType="road" elementId="3" contactPoint="start"/>',
        more='<signals><signalReference id="71" s="0" t="0" orientation="+">'
        '<validity fromLane="-1" toLane="-1"/></signalReference></signals>',
    )
    east = road(
        "2",
        section(right=lane(-1, inner=_BROKEN) + lane(-2)),
        geometry(x=120, length=50),
        length=50,
        links=out,
    )
    north = road(
        "3",
        section(right=lane(-1)),
        geometry(x=110, y=10, hdg=1.5707963267948966, length=40),
        length=40,
        links=out,
    )
    ways = (
        '<junction id="9" name="j"><connection id="0" incomingRoad="1" connectingRoad="11" '
        'contactPoint="start"><laneLink from="-1" to="-1"/><laneLink from="-2" to="-2"/>'
        '</connection><connection id="1" incomingRoad="1" connectingRoad="12" '
        'contactPoint="start"><laneLink from="-1" to="-1"/></connection>'
        '<controller id="80" type="0"/></junction>'
    )
    control = '<controller id="80" name="c"><control signalId="70" type="0"/></controller>'
    return document(one, straight, turn, east, north, control, ways)


_BROKEN = '<roadMark sOffset="0" type="broken" laneChange="both"/>'
