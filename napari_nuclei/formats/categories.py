"""Categories: the kinds of nuclei that a data set lists, with their ids and colours."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..nuclei import NUCLEUS
from .broken import Broken
from .numbers import finite, whole

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of nucleus.

    Attributes
    ----------
    id : int
        Its number in COCO files and results, its group in ImageJ.
    name : str
        What `Nucleus.category` says; different for each category of a data set.
    extra : mapping
        All other keys of a COCO file (`supercategory`, `color`, …), kept as they are; also
        `name`, where the file has one name twice.
    """

    id: int
    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def colour(self) -> Colour | None:
        """Red, green and blue from 0 to 255, if the file says them."""
        return colour_of(self.extra.get("color", self.extra.get("colour")))

    def to_json(self) -> dict[str, Any]:
        """Return the category as COCO writes it."""
        return {"id": self.id, "name": self.name, **self.extra}


DEFAULT = Category(1, NUCLEUS)


def colour_of(value: Any) -> Colour | None:
    """Read a colour: three numbers, ``#rrggbb``, or Java's packed number; None for all else."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value.strip()):
        value = int(value.strip()[1:], 16)
    if isinstance(value, (list, tuple)) and 3 <= len(value) <= 4:
        parts = [whole(v) for v in value[:3]]
        if all(p is not None and 0 <= p <= 255 for p in parts):
            return int(parts[0] or 0), int(parts[1] or 0), int(parts[2] or 0)
        return None
    if (packed := whole(value)) is None:
        return None
    return packed >> 16 & 255, packed >> 8 & 255, packed & 255


def listed(known: Iterable[Category], used: Iterable[str]) -> tuple[Category, ...]:
    """Add those of the names in use that are not listed yet, under free ids."""
    out = list(known)
    names = {c.name for c in out}
    ids = {c.id for c in out}
    for name in dict.fromkeys(used):
        if name not in names:
            wanted = DEFAULT.id if name == NUCLEUS else _number_in(name)
            if wanted is None or wanted in ids:
                wanted = max(ids, default=0) + 1
            out.append(Category(wanted, name))
            ids.add(wanted)
    return tuple(out)


def with_ids(known: Iterable[Category], used: Collection[str]) -> tuple[Category, ...]:
    """Return the categories in use, each under an id of its own, that of its file if it can be."""
    out: list[Category] = []
    ids: set[int] = {DEFAULT.id} if NUCLEUS in used else set()
    for category in known:
        id = category.id if category.id not in ids else max(ids) + 1
        out.append(replace(category, id=id))
        ids.add(id)
    return listed(out, used) or (DEFAULT,)


def _number_in(name: str) -> int | None:
    """Return the number of what was read without a name, as ``category 7``; None for others."""
    found = re.fullmatch(r"(?:category|group) ([0-9]{1,9})", name)
    return int(found[1]) if found else None


class Names:
    """The names of a COCO file's categories by their ids.

    Parameters
    ----------
    rows : list
        Its key `categories`.
    broken : Broken
        Takes the categories that are broken.

    Attributes
    ----------
    categories : list of Category
        Those that are listed, and those that are used all the same.
    default : str
        What a nucleus is that no category is given for.
    """

    def __init__(self, rows: Collection[Any], broken: Broken) -> None:
        self.categories: list[Category] = []
        self._has_list = bool(rows)
        self._names: dict[int, str] = {}
        for number, row in enumerate(rows, 1):
            id = whole(row.get("id")) if isinstance(row, dict) else None
            if id is None:
                broken.leave_out(f"number {number}", "has no whole number as its id")
            elif id in self._names:
                broken.leave_out(f"number {number}", f"has the id {id} of another one")
            else:
                self._add(id, row)
        broken.tell(len(rows), needed=False)
        only = len(self.categories) == 1
        self.default = self.categories[0].name if only else NUCLEUS

    def _add(self, id: int, row: Mapping[str, Any]) -> None:
        said = row.get("name")
        extra = {k: finite(v) for k, v in row.items() if k not in ("id", "name")}
        name = said if isinstance(said, str) and said else f"category {id}"
        while name in self._names.values():
            name = f"{name} {id}"
        if said is not None and said != name:
            extra["name"] = finite(said)
        self.categories.append(Category(id, name, extra))
        self._names[id] = name

    def of(self, value: Any) -> tuple[str, str]:
        """Return the name for a `category_id`, and what is wrong with that; mostly nothing."""
        if value is None:
            return self.default, ""
        if type(value) is int and value in self._names:
            return self._names[value], ""
        id = whole(value)
        if id is None:
            return self.default, f"its category_id {value!r} is no whole number"
        problem = "its category_id is text" if isinstance(value, str) else ""
        if id not in self._names:
            if self._has_list:
                problem = f"its category {id} is not listed under categories"
            is_default = not self._has_list and id == DEFAULT.id
            self._add(id, {"name": NUCLEUS if is_default else f"category {id}"})
        return self._names[id], problem
