"""Names of images as files have them: which of them mean the same image."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import takewhile
from pathlib import PurePath
from typing import Generic, TypeVar
from urllib.parse import unquote

from ..images.images import IMAGE_SUFFIXES

T = TypeVar("T")

_SCHEME = re.compile(r"^file:(//)?(localhost(?=/))?", re.IGNORECASE)
_DRIVE = re.compile(r"^/?[a-z]:(?=/)", re.IGNORECASE)

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an image that was uploaded."""

SHOWN = 3
"""Names that a message lists at most."""


class Level(IntEnum):
    """How a name was understood; the lower, the surer."""

    EXACT = 0
    """As it is written."""
    CLEAN = 1
    """But for slashes, a drive, the form of its letters, or the signs of a web address."""
    PLACED = 2
    """But for the folders that it begins with."""
    CASE = 3
    """But for small and capital letters."""
    UPLOAD = 4
    """But for what a tool has put before it."""
    STEM = 5
    """But for an ending that one of the two lacks."""


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What a name was found to mean.

    Attributes
    ----------
    value : object or None
        What is called so; None if nothing is, or it cannot be told.
    level : Level
        How it was understood.
    rivals : tuple of str
        The names between which it cannot be told, or of which only one can be meant.
    """

    value: T | None = None
    level: Level = Level.EXACT
    rivals: tuple[str, ...] = ()


def parts_of(name: str) -> tuple[str, ...]:
    """Split a name, as any system writes it, into its folders and the file name.

    Without drive, root and scheme; what ``..`` takes back is left out, and so is a ``..`` that
    leads out.
    """
    text = _DRIVE.sub("", _SCHEME.sub("", name.replace("\\", "/")))
    parts: list[str] = []
    for part in unicodedata.normalize("NFC", unquote(text)).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def last_of(name: str) -> str:
    """Return the file name in a name."""
    return next(reversed(parts_of(name)), "")


def without_upload(name: str) -> str:
    """Return a file name without what Label Studio puts before it."""
    return _UPLOAD.sub("", name)


def has_ending(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def shown(name: str) -> str:
    """Return a name as a message may have it: in one line, without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """List the first names for a message."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more


class Names(Generic[T]):
    """Things that are known by the names of images.

    Parameters
    ----------
    known : iterable of (str, object)
        Names and what is called so. Those with equal names must be told apart by the caller.
    strict : bool
        Whether folders count: a name in one folder is then never that in another, only the
        first folders of one of the two may be missing.
    """

    def __init__(self, known: Iterable[tuple[str, T]], strict: bool = False) -> None:
        self._known = list(known)
        self._parts = [parts_of(name) for name, _ in self._known]
        self._strict = strict

    def find(self, name: str, but: T | None = None) -> Match[T]:
        """Find what is called so, as surely as it can be told; `but` is not meant."""
        for level in Level:
            match = self.find_at(level, name, but)
            if match.value is not None or match.rivals:
                return match
        return Match()

    def find_at(self, level: Level, name: str, but: T | None = None) -> Match[T]:
        """Find what is called so when a name is understood in one way."""
        parts = parts_of(name)
        if level is Level.EXACT or not parts:
            return self._best((), self._exact.get(name, []), level, but)
        if level is Level.CLEAN:
            return self._best((), self._clean.get(parts, []), level, but)
        if level is Level.PLACED:
            return self._best(parts[:-1], self._last.get(parts[-1], []), level, but)
        *folders, last = (part.casefold() for part in parts)
        found = self._folded.get(last, [])
        if level is Level.UPLOAD:
            bare = without_upload(last)
            folders, found = [], self._folded.get(bare, []) if bare != last else []
        elif level is Level.STEM:
            found = self._by_stem(last)
        return self._best(tuple(folders), found, level, but)

    # -- what is looked at, made when it is wanted ------------------------------------

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        return _grouped(name for name, _ in self._known)

    @cached_property
    def _clean(self) -> dict[tuple[str, ...], list[int]]:
        return _grouped(self._parts)

    @cached_property
    def _last(self) -> dict[str, list[int]]:
        return _grouped(parts[-1] if parts else "" for parts in self._parts)

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        return _grouped(parts[-1].casefold() if parts else "" for parts in self._parts)

    @cached_property
    def _stems(self) -> dict[str, list[int]]:
        return _grouped(_stem(parts[-1].casefold()) if parts else "" for parts in self._parts)

    def _by_stem(self, last: str) -> list[int]:
        """Return those that differ by an ending that only one of the two has."""
        if not has_ending(last):
            return [k for k in self._stems.get(last, []) if has_ending(self._parts[k][-1])]
        return [k for k in self._folded.get(_stem(last), []) if not has_ending(self._parts[k][-1])]

    # -- choosing ---------------------------------------------------------------------

    def _best(
        self, folders: tuple[str, ...], found: Sequence[int], level: Level, but: T | None
    ) -> Match[T]:
        """Choose the one with the most folders in common, if it is but one."""
        ranked: dict[int, list[int]] = {}
        for k in found:
            theirs = self._parts[k][:-1]
            if level >= Level.CASE:
                theirs = tuple(part.casefold() for part in theirs)
            common = _common(folders, theirs) if level >= Level.PLACED else 0
            apart = self._strict and common < min(len(folders), len(theirs))
            if self._known[k][1] != but and not (apart and level >= Level.PLACED):
                ranked.setdefault(common, []).append(k)
        best = ranked[max(ranked)] if ranked else []
        if len(best) == 1:
            return Match(self._known[best[0]][1], level)
        return Match(None, level, tuple(self._known[k][0] for k in best))


def _stem(name: str) -> str:
    return PurePath(name).stem if has_ending(name) else name


def _common(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Count the folders that two names end with alike."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _grouped(keys: Iterable[T]) -> dict[T, list[int]]:
    out: dict[T, list[int]] = {}
    for number, key in enumerate(keys):
        out.setdefault(key, []).append(number)
    return out


def settled(found: dict[str, Match[T]]) -> dict[str, Match[T]]:
    """Settle which names mean what, where several were understood to mean the same.

    The surest keeps it. If that are several, none does: which of them is meant is not known.
    Names that differ only as systems write them are one.
    """
    claims: dict[T, list[str]] = {}
    for name, match in found.items():
        if match.value is not None:
            claims.setdefault(match.value, []).append(name)
    out = dict(found)
    for names in claims.values():
        if len({parts_of(name) for name in names}) < 2:
            continue
        surest = min(found[name].level for name in names)
        kept = {parts_of(name) for name in names if found[name].level == surest}
        for name in names:
            if found[name].level > surest or len(kept) > 1:
                out[name] = replace(found[name], value=None, rivals=tuple(names))
    return out
