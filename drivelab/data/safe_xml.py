"""Parse XML of strangers: no document type declaration, so no entities."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from drivelab.errors import DataError


def parse_xml(content: bytes, file: str | Path) -> ElementTree.Element:
    """The root element; `file` is what messages call the source.

    Raises:
        DataError: broken XML, or a document type declaration.
    """

    def refuse(*declaration: object) -> NoReturn:
        raise DataError(
            "has a document type declaration; entities are never expanded, so it is refused",
            file=file,
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as error:
        raise DataError(
            f"cannot be read as XML, it may be cut short ({error})", file=file
        ) from error
