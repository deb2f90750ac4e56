"""Which format a JSON text is of, by its structure.

The text may be cut short anywhere: the names of its outer members tell, wherever the same words
stand inside of strings or further in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HEAD = 1 << 16
"""Bytes that mostly tell."""

UNSURE = ""
"""What comes of a text that is cut short before it tells."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)

GEOMETRIES = ("Polygon", "MultiPolygon")
_GEOJSON = ("FeatureCollection", "Feature", *GEOMETRIES)

Path = tuple[str, ...]
"""Names of the members that lead somewhere; ``[]`` for an element of a list."""


def kind_of(data: bytes, is_whole: bool) -> str | None:
    """Return ``coco``, ``geojson`` or ``results``; None for all else, `UNSURE` if it cannot tell.

    Parameters
    ----------
    data : bytes
        The beginning of a JSON text.
    is_whole : bool
        Whether that is all of it.
    """
    seen: set[Path] = set()
    text = text_of(data)
    for path, value in members(text):
        seen.add(path)
        if path in (("type",), ("[]", "type")) and value in _GEOJSON:
            return "geojson"
        if path in (("features", "[]"), ("[]", "geometry")):
            return "geojson"
        if path in (("images", "[]"), ("annotations", "[]")):
            return "coco"
        if path == ("[]", "image_id"):
            return "results"
    if not is_whole:
        return UNSURE
    if re.fullmatch(r"\s*\[\s*\]\s*", text):
        return "results"  # an empty list is a valid one
    names = {("images",), ("annotations",), ("categories",)}
    return "coco" if names & seen else None


def kind_of_value(value: Any) -> str | None:
    """Return the same of a text that has been read."""
    if isinstance(value, list):
        first = value[0] if value and isinstance(value[0], dict) else {}
        if first.get("type") in _GEOJSON or "geometry" in first:
            return "geojson"
        return "results" if "image_id" in first or not value else None
    if not isinstance(value, dict):
        return None
    if value.get("type") in _GEOJSON or isinstance(value.get("features"), list):
        return "geojson"
    return "coco" if {"images", "annotations", "categories"} & value.keys() else None


def text_of(data: bytes) -> str:
    """Decode JSON, which may begin with a mark of its encoding."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "ignore")
    return data.decode("utf-8", "ignore").removeprefix("\ufeff")


def members(text: str, depth: int = 2) -> Iterator[tuple[Path, str]]:
    """Go through the members of the outer levels.

    Yields
    ------
    Path, str
        Each member as its value begins, with the value if that is a string; and each list that
        is opened, with ``[]`` at the end.
    """
    stack: list[str] = []
    before = word = ""
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in ("{", "["):
            stack.append("[]" if token == "[" else "")
            if token == "[" and len(stack) <= depth:
                yield tuple(stack), ""
        elif token in ("}", "]"):
            if stack:
                stack.pop()
        elif token == ":":
            if stack and stack[-1] != "[]" and len(stack) <= depth:
                stack[-1] = word
                yield tuple(stack), ""
        elif token != ",":
            word = token[1:-1] if token[0] == '"' else ""
            if before == ":" and word and len(stack) <= depth:
                yield tuple(stack), word
        before = token
