"""Edits made of a detector's answers: a nucleus put in, an alternative, a nudged outline.

No torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import EditError
from ..masks import Mask, shaping
from ..nuclei import Kind, Nuclei, Nucleus, Origin, State
from ..nuclei.edit import Edit, changed, on_record, require
from ..nuclei.edits import accept
from .soft_mask import SoftMask

MOSTLY = 0.6
"""Share of a nucleus from which on another one covers it, or holds it."""

FITS = 0.6
"""IoU from which on an outline counts as one of a soft mask's own."""

GONE = "The model {name!r} is no longer installed: moved by one pixel instead."
HAND_DRAWN = "The model does not see this outline: moved by one pixel instead."


@dataclass(frozen=True, slots=True)
class Answer:
    """A mask that a model gave to a prompt.

    Attributes
    ----------
    mask : Mask
        Its pixels.
    score : float
        0…1.
    model : str
        Name of the model.
    """

    mask: Mask
    score: float
    model: str


def put(nuclei: Nuclei, answer: Answer, name: str) -> Edit:
    """Put a nucleus where a person has pointed, and make its neighbours fit.

    Nuclei that it mostly covers are this one, so they go, the first one's id with it; a
    nucleus that mostly holds it was too large, so it loses these pixels; to all others the
    new one leaves theirs.
    """
    mask = answer.mask.clip(nuclei.shape)
    near = [n for n in nuclei.in_box(mask.box) if nuclei.is_shown(n)] if mask else []
    shared = {n.id: mask.overlap(n.mask) for n in near}
    covered = [n for n in near if shared[n.id] >= MOSTLY * n.mask.area]
    covered.sort(key=lambda n: -shared[n.id])
    others = [n for n in near if shared[n.id] and n not in covered]
    holding = [n for n in others if shared[n.id] >= MOSTLY * mask.area]
    for n in others:
        if n not in holding:
            mask = mask.minus(n.mask)
    if not mask:
        raise EditError("Nothing of it is left outside the nuclei that are here already.")
    smaller = [replace(n, mask=n.mask.minus(mask), state=State.ACCEPTED) for n in holding]
    said = replace(answer, mask=mask)
    ids = [n.id for n in covered]
    if len(covered) == 1 and covered[0].mask == mask and not holding:
        return accept(nuclei, ids)
    made = _instead_of(nuclei, covered, [said])
    return Edit(name, (*covered, *holding), (*made, *(n for n in smaller if n.mask)))


def apply_alternative(nuclei: Nuclei, ids: Sequence[int], answers: Sequence[Answer]) -> Edit:
    """Put an alternative in the place of nuclei; the first id stays with the largest mask."""
    rows = require(nuclei, ids, "replace")
    inside = [replace(a, mask=a.mask.clip(nuclei.shape)) for a in answers]
    inside = sorted((a for a in inside if a.mask), key=lambda a: -a.mask.area)
    if not inside:
        raise EditError("Nothing of this alternative lies inside the image.")
    return Edit("alternative", tuple(rows), tuple(_instead_of(nuclei, rows, inside)))


def _instead_of(nuclei: Nuclei, rows: Sequence[Nucleus], new: Sequence[Answer]) -> list[Nucleus]:
    """Return what stands in the place of nuclei: the new ones, and what stays on record."""
    parents = tuple(n.id for n in rows) if len(rows) != 1 or len(new) != 1 else ()
    order = max((n.order for n in rows), default=0) or nuclei.top_order()
    made = []
    for k, answer in enumerate(new):
        if k == 0 and rows:
            first = changed(nuclei, rows[0], answer.mask)
            if first.origin.kind is not Kind.MODEL:
                first = replace(first, score=answer.score)
            made.append(replace(first, order=order, origin=_with(first.origin, parents)))
            continue
        id = nuclei.next_id + k - (1 if rows else 0)
        origin = Origin(Kind.MODEL, answer.model, answer.mask, parents)
        new_one = Nucleus(id, answer.mask, answer.score, State.ACCEPTED, origin, order)
        made.append(replace(new_one, category=rows[0].category) if rows else new_one)
    return [*made, *on_record(rows[1:])]


def _with(origin: Origin, parents: tuple[int, ...]) -> Origin:
    return replace(origin, parents=parents) if parents else origin


def promote(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Accept candidates that lie below the threshold."""
    rows = [i for i in ids if i in nuclei and not nuclei.is_shown(nuclei[i])]
    if not rows:
        raise EditError("No candidate here: click one of those outlined.")
    hidden = [i for i in rows if nuclei[i].state is State.PROPOSED]
    if not hidden:
        raise EditError("This one has been rejected before: undo that instead.")
    return replace(accept(nuclei, hidden), name="promote")


def nudge(nuclei: Nuclei, id: int, outwards: bool, soft: SoftMask | None) -> tuple[Edit, str]:
    """Move a nucleus's outline in or out by about a pixel, along its soft mask.

    Parameters
    ----------
    soft : SoftMask or None
        The nucleus as its model sees it; None where the model is not there.

    Returns
    -------
    Edit, str
        And what the person should know of it; mostly nothing.
    """
    (nucleus,) = require(nuclei, [id], "nudge")
    name = "nudge out" if outwards else "nudge in"
    mask, word = _along(nucleus.mask, outwards, soft), ""
    if mask is None:
        mask = (shaping.grown if outwards else shaping.shrunk)(nucleus.mask, 1)
        word = GONE.format(name=nucleus.origin.model) if soft is None else HAND_DRAWN
        if soft is None and nucleus.origin.kind is not Kind.MODEL:
            word = "No model drew this outline: moved by one pixel instead."
    mask = mask.clip(nuclei.shape)
    if not mask:
        raise EditError(f"Nothing would be left of nucleus {id}. Delete it instead.")
    if mask == nucleus.mask:
        raise EditError("The outline cannot move any further.")
    return Edit(name, (nucleus,), (changed(nuclei, nucleus, mask),)), word


def _along(mask: Mask, outwards: bool, soft: SoftMask | None) -> Mask | None:
    """Return the next outline of a soft mask; None where the mask is not one of its own."""
    if soft is None or not mask:
        return None
    _, like = soft.level_of(mask)
    if like < FITS:
        return None
    reach = shaping.grown(mask, 2) if outwards else mask
    wanted = mask.area + (1 if outwards else -1) * 0.7 * _rim(mask)
    return soft.nearest_area(wanted, mask, reach, outwards)


def _rim(mask: Mask) -> int:
    """Number of pixels that a step of one pixel takes away."""
    return mask.area - shaping.shrunk(mask, 1).area
