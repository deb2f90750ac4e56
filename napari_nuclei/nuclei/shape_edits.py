"""Edits that change outlines: join, split, repaint, and what smooths, fills, grows or shrinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..errors import EditError
from ..masks import Mask, shaping
from .edit import Edit, changed, on_record, require
from .nuclei import Nuclei
from .nucleus import Nucleus, Origin


def merge(nuclei: Nuclei, ids: Sequence[int]) -> Edit:
    """Join nuclei into one, which keeps the first one's id.

    What a model had said of the others stays on record, as rejected.
    """
    rows = require(nuclei, ids, "join")
    if len(rows) < 2:
        raise EditError("Joining needs at least two nuclei: select them with shift-click.")
    first = changed(nuclei, rows[0], Mask.union_of(n.mask for n in rows))
    origin = replace(first.origin, parents=tuple(n.id for n in rows))
    order = max(n.order for n in rows)
    joined = replace(first, origin=origin, order=order)
    return Edit("join", tuple(rows), (joined, *on_record(rows[1:])))


def split(nuclei: Nuclei, id: int, line: Sequence[tuple[float, float]]) -> Edit:
    """Cut a nucleus along a polyline of (y, x); the largest part keeps the id."""
    (nucleus,) = require(nuclei, [id], "split")
    parts = nucleus.mask.split(line)
    if len(parts) < 2:
        raise EditError("The line does not cut the nucleus in two: draw it right across.")
    return _split_into(nuclei, nucleus, parts)


def split_by_seeds(nuclei: Nuclei, id: int, seeds: Sequence[tuple[float, float]]) -> Edit:
    """Divide a nucleus at its waists between seeds (y, x); the largest part keeps the id."""
    (nucleus,) = require(nuclei, [id], "split")
    parts = shaping.by_seeds(nucleus.mask, seeds)
    if len(parts) < 2:
        raise EditError("Splitting needs a seed in each part: click twice inside the nucleus.")
    return _split_into(nuclei, nucleus, parts)


def pieces(nuclei: Nuclei, ids: Iterable[int]) -> Edit | None:
    """Make each separate piece of nuclei one of its own; the largest keeps the id.

    They stay what they are: who imports a mask has not looked at its nuclei. None if none of
    them has several pieces.
    """
    before: list[Nucleus] = []
    first: list[Nucleus] = []
    others: list[Nucleus] = []
    for nucleus in (nuclei[i] for i in dict.fromkeys(ids)):
        parts = nucleus.mask.parts()
        if len(parts) > 1:
            before.append(nucleus)
            first.append(replace(nucleus, mask=parts[0]))
            origin = replace(nucleus.origin, parents=(nucleus.id,))
            for part in parts[1:]:
                id = nuclei.next_id + len(others)
                others.append(replace(nucleus, id=id, mask=part, origin=origin))
    return Edit("split into pieces", tuple(before), (*first, *others)) if before else None


def _split_into(nuclei: Nuclei, nucleus: Nucleus, parts: list[Mask]) -> Edit:
    first = changed(nuclei, nucleus, parts[0])
    origin = Origin(parents=(nucleus.id,))
    others = [
        replace(first, id=nuclei.next_id + k, mask=part, score=1.0, origin=origin, note="")
        for k, part in enumerate(parts[1:])
    ]
    return Edit("split", (nucleus,), (first, *others))


def repaint(nuclei: Nuclei, id: int, mask: Mask, name: str = "repaint") -> Edit:
    """Give a nucleus another mask."""
    (nucleus,) = require(nuclei, [id], "repaint")
    if nucleus.mask == mask:
        raise EditError("Nothing to do: the outline is already like that.")
    return Edit(name, (nucleus,), (changed(nuclei, nucleus, mask),))


def fill_holes(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Fill the holes that lie wholly inside of nuclei."""
    return _reshaped(nuclei, ids, "fill holes", shaping.filled, "no holes")


def smooth(nuclei: Nuclei, ids: Iterable[int], radius: float = 2.0) -> Edit:
    """Smooth outlines; what is smaller than about `radius` (px) goes, gaps of that size close."""
    _positive(radius)
    return _reshaped(nuclei, ids, "smooth", lambda m: shaping.smoothed(m, radius), "smooth already")


def keep_largest(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Drop all but the largest connected part of each nucleus."""
    return _reshaped(nuclei, ids, "keep largest part", shaping.largest, "in one part already")


def grow(nuclei: Nuclei, ids: Iterable[int], px: float = 1) -> Edit:
    """Move outlines outwards by some pixels, as far as the image goes."""
    _positive(px)
    return _reshaped(nuclei, ids, "grow", lambda m: shaping.grown(m, px), "as large as the image")


def shrink(nuclei: Nuclei, ids: Iterable[int], px: float = 1) -> Edit:
    """Move outlines inwards by some pixels; borders of the image count as outlines too."""
    _positive(px)
    return _reshaped(nuclei, ids, "shrink", lambda m: shaping.shrunk(m, px), "as small as can be")


def _positive(px: float) -> None:
    if not 0 < px <= 1000:
        raise EditError(f"A number of pixels between 0 and 1000 is needed, not {px}.")


def _reshaped(
    nuclei: Nuclei, ids: Iterable[int], name: str, shape: Callable[[Mask], Mask], already: str
) -> Edit:
    """Change the outlines of those nuclei that are not so already."""
    before, after = [], []
    for nucleus in require(nuclei, ids, name):
        mask = shape(nucleus.mask).clip(nuclei.shape)
        if not mask:
            raise EditError(f"Nothing would be left of nucleus {nucleus.id}. Delete it instead.")
        if mask != nucleus.mask:
            before.append(nucleus)
            after.append(changed(nuclei, nucleus, mask))
    if not before:
        raise EditError(f"Nothing to do: {already}.")
    return Edit(name, tuple(before), tuple(after))
