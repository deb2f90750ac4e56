"""What a feature of GeoJSON says of itself: class, state, score, name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..nuclei import NUCLEUS, Kind, Nucleus, Origin, State
from .broken import Broken
from .categories import Category, colour_of
from .geojson import CLASS, Row
from .numbers import number
from .sidecar import Sidecar

SCORES = ("score", "detection probability", "probability", "class probability", "confidence")
"""Measurements and properties that are taken as the score, the first ones before the others, and
any other probability after them."""


def object_of(value: Any) -> Row:
    """Return an object as it is, and an empty one for all else."""
    return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class Reader:
    """Makes nuclei of the features of a file.

    Attributes
    ----------
    path : Path
        The file.
    sidecar : Sidecar
        Takes the colours of categories.
    broken : Broken
        Takes features with odd scores.
    """

    path: Path
    sidecar: Sidecar
    broken: Broken

    def nucleus(self, id: int, mask: Any, row: Row, label: str) -> Nucleus:
        """Make the nucleus of a feature, which messages call by its label."""
        properties = object_of(row.get("properties"))
        name = properties.get("name")
        note = name if isinstance(name, str) and not re.fullmatch(r"Nucleus \d+", name) else ""
        said = str(object_of(properties.get("metadata")).get("Origin", ""))
        kind, _, model = said.partition(" ")
        if kind in (Kind.MODEL.value, Kind.HAND.value, Kind.IMPORT.value):
            origin = Origin(Kind(kind), model)
        else:
            origin = Origin(Kind.IMPORT, self.path.name)
        category, state = class_of(row)
        self._note_colour(category, properties)
        score = self._score(properties, label)
        return Nucleus(id, mask, score, state, origin, note=note, category=category)

    def _score(self, properties: Row, label: str) -> float:
        said = _scores(properties)
        score = next((said[key] for key in (*SCORES, *said) if key in said), 1.0)
        if not 0 <= score <= 1:
            self.broken.mend(label, f"its score {score:g} is not a number from 0 to 1: clipped")
        return min(max(score, 0.0), 1.0)

    def _note_colour(self, category: str, properties: Row) -> None:
        known = self.sidecar.categories
        if category == NUCLEUS or category in known:
            return
        of = object_of(properties.get("classification"))
        colour = colour_of(of.get("color", of.get("colorRGB")))
        extra = {"color": list(colour)} if colour else {}
        known[category] = Category(len(known) + 1, category, extra)


def _scores(properties: Row) -> dict[str, float]:
    """Read all that could be a score: measurements, also as older versions list them."""
    value = properties.get("measurements")
    if isinstance(value, list):
        value = {str(m.get("name")): m.get("value") for m in value if isinstance(m, dict)}
    out: dict[str, float] = {}
    for source in (object_of(value), properties):
        for name, said in source.items():
            key = _score_key(str(name))
            if key and (score := number(said)) is not None:
                out.setdefault(key, score)
    return out


@lru_cache
def _score_key(name: str) -> str:
    """Return the plain form of a name that a score may have; empty for all others."""
    key = re.sub(r"[_\s]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()
    return key if key in SCORES or key.endswith("probability") else ""


def class_of(row: Row) -> tuple[str, State]:
    """Read category and state of the class; the state is its last part, as set in QuPath too."""
    of = object_of(row.get("properties")).get("classification")
    names = object_of(of).get("names")
    if isinstance(names, list):
        return _parsed(": ".join(map(str, names)))
    said = of.get("name") if isinstance(of, dict) else of
    return _parsed(said if isinstance(said, str) else "")


@lru_cache
def _parsed(said: str) -> tuple[str, State]:
    parts = re.split(r"\s*:\s*", said.strip()) if said.strip() else []
    last = parts[-1].lower() if parts else ""
    state = next((s for s in State if s.value == last), None)
    if state is None:
        return ": ".join(parts) or NUCLEUS, State.PROPOSED
    rest = ": ".join(parts[:-1])
    return NUCLEUS if rest in ("", CLASS) else rest, state


def category_in(row: Row) -> str:
    """Return the category of an area to ignore."""
    said = object_of(object_of(row.get("properties")).get("metadata")).get("Category")
    return said if isinstance(said, str) and said else NUCLEUS
