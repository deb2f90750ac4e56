"""Edits: everything that can be done to an image's nuclei."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import EditError
from ..masks import Mask
from ..masks.box import Box, covers, has_middle, is_empty, touches, within, without
from .edit import Edit, on_record, require
from .nuclei import Nuclei
from .nucleus import Kind, Nucleus, Origin, State
from .shape_edits import (
    fill_holes,
    grow,
    keep_largest,
    merge,
    repaint,
    shrink,
    smooth,
    split,
    split_by_seeds,
)

__all__ = [
    "Edit",
    "accept",
    "accept_above",
    "add",
    "adopt",
    "delete",
    "fill_holes",
    "grow",
    "keep_largest",
    "mark_complete",
    "merge",
    "note",
    "propose",
    "reject",
    "repaint",
    "set_threshold",
    "shrink",
    "smooth",
    "split",
    "split_by_seeds",
    "unmark",
]


# -- single nuclei ----------------------------------------------------------------------


def add(nuclei: Nuclei, mask: Mask, id: int | None = None, name: str = "add") -> Edit:
    """Add a nucleus drawn by a person; it gets the next free id unless one is given."""
    mask = mask.clip(nuclei.shape)
    if not mask:
        raise EditError("The new nucleus has no pixel inside the image.")
    if id is not None and id < nuclei.next_id:
        raise EditError(f"The id {id} has been used before.")
    new = Nucleus(id or nuclei.next_id, mask, state=State.ACCEPTED, order=nuclei.top_order())
    return Edit(name, (), (new,))


def delete(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Remove nuclei: a model's are kept as rejected, those of a person are gone."""
    rows = require(nuclei, ids, "delete")
    return Edit("delete", tuple(rows), tuple(on_record(rows)))


def reject(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Say that these are no nuclei."""
    return _states(nuclei, ids, State.REJECTED, "reject")


def accept(nuclei: Nuclei, ids: Iterable[int]) -> Edit:
    """Say that these are right as they are."""
    return _states(nuclei, ids, State.ACCEPTED, "accept")


def accept_above(nuclei: Nuclei, score: float) -> Edit:
    """Accept every proposal that is shown and has at least this score."""
    ids = [n.id for n in nuclei.shown() if n.state is State.PROPOSED and n.score >= score]
    if not ids:
        raise EditError(f"There is no proposal with a score of {score:.2f} or more.")
    return replace(accept(nuclei, ids), name="accept all")


def note(nuclei: Nuclei, ids: Iterable[int], text: str) -> Edit:
    """Put a remark on nuclei."""
    rows = require(nuclei, ids, "remark on")
    return Edit("note", tuple(rows), tuple(replace(n, note=text) for n in rows))


def _states(nuclei: Nuclei, ids: Iterable[int], state: State, name: str) -> Edit:
    rows = [n for n in require(nuclei, ids, name) if n.state is not state]
    if not rows:
        raise EditError(f"Nothing to do: already {state.value}.")
    return Edit(name, tuple(rows), tuple(replace(n, state=state) for n in rows))


# -- areas ------------------------------------------------------------------------------


def mark_complete(nuclei: Nuclei, box: Box | None = None) -> Edit:
    """Say that nothing is missing in an area, or in the whole image."""
    new = _inside(nuclei, box)
    if any(covers(old, new) for old in nuclei.complete):
        raise EditError("Nothing to do: this area is marked complete already.")
    return Edit("mark complete", complete=(nuclei.complete, (*nuclei.complete, new)))


def unmark(nuclei: Nuclei, box: Box | None = None) -> Edit:
    """Take back that an area, or the whole image, is complete; what lies around it stays so."""
    gone = _inside(nuclei, box)
    if not any(touches(old, gone) for old in nuclei.complete):
        raise EditError("Nothing to do: nothing is marked complete here.")
    left = tuple(part for old in nuclei.complete for part in without(old, gone))
    return Edit("unmark", complete=(nuclei.complete, left))


def _inside(nuclei: Nuclei, box: Box | None) -> Box:
    part = within(box or (0, 0, *nuclei.shape), nuclei.shape)
    if is_empty(part):
        raise EditError("The area has no pixel inside the image: draw it over the image.")
    return part


# -- all of them ------------------------------------------------------------------------


def set_threshold(nuclei: Nuclei, score: float) -> Edit:
    """Show untouched proposals from this score on."""
    if not 0 <= score <= 1:
        raise EditError(f"A score threshold is between 0 and 1, not {score}.")
    return Edit("threshold", threshold=(nuclei.threshold, score))


def propose(
    nuclei: Nuclei,
    found: Sequence[tuple[Mask, float]],
    model: str,
    threshold: float,
    area: Box | None = None,
) -> Edit:
    """Replace all untouched proposals by a model's new ones.

    Parameters
    ----------
    found : sequence of (Mask, float)
        Masks and scores, down to a low score. What lies outside the image is left out.
    model : str
        Name of the model.
    threshold : float
        Score from which on they are shown.
    area : Box, optional
        Only what has the middle of its box here is replaced, and only such new ones are taken.

    Notes
    -----
    What a person has touched stays. New proposals are dropped where the person has decided:
    on such a nucleus, shown or rejected, as it is or as the model had first drawn it (IoU of
    0.5 or more), and where such nuclei cover half of the proposal.
    """
    within = nuclei if area is None else nuclei.in_box(area)
    fresh = (n for n in within if not n.touched)
    old = tuple(n for n in fresh if area is None or has_middle(area, n.mask.box))
    gone = {n.id for n in old}
    touched = [n for n in nuclei if n.touched]
    decided = Nuclei(nuclei.shape, touched)
    # Along the edge of an area the same nucleus may have its middle out there.
    outside = Nuclei(nuclei.shape, [n for n in within if not n.touched and n.id not in gone])
    drawn = [replace(n, mask=n.origin.mask) for n in touched if n.origin.mask]
    said = Nuclei(nuclei.shape, drawn)

    def is_free(mask: Mask) -> bool:
        near = decided.in_box(mask.box)
        covered = sum(mask.overlap(n.mask) for n in near if decided.is_shown(n))
        both = (*near, *said.in_box(mask.box), *outside.in_box(mask.box))
        return 2 * covered < mask.area and all(mask.iou(n.mask) < 0.5 for n in both)

    new: list[Nucleus] = []
    for given, score in found:
        mask = given.clip(nuclei.shape)
        if mask and (area is None or has_middle(area, mask.box)) and is_free(mask):
            origin = Origin(Kind.MODEL, model, mask)
            new.append(Nucleus(nuclei.next_id + len(new), mask, score, origin=origin))
    change = (nuclei.threshold, threshold) if threshold != nuclei.threshold else None
    return Edit("segment", old, tuple(new), threshold=change)


def adopt(nuclei: Nuclei, others: Nuclei, name: str = "adopt") -> Edit:
    """Put the nuclei of a file or of a label image in the place of all present ones.

    Parameters
    ----------
    others : Nuclei
        Of an image of the same size. They keep their ids where none of these has been used
        here before; else all ids are raised by the same number.

    Raises
    ------
    EditError
        If the sizes differ, or there is nothing to change.
    """
    if others.shape != nuclei.shape:
        sizes = " and ".join(f"{h}×{w}" for h, w in (others.shape, nuclei.shape))
        raise EditError(f"The sizes differ ({sizes} px): these nuclei belong to another image.")
    lowest = min((n.id for n in others), default=nuclei.next_id)
    up = max(0, nuclei.next_id - lowest)
    rows = tuple(_renumbered(n, up) for n in others if n.mask)
    new = (others.threshold, others.complete)
    change = (nuclei.threshold, new[0]) if nuclei.threshold != new[0] else None
    areas = (nuclei.complete, new[1]) if nuclei.complete != new[1] else None
    crowds = (nuclei.crowds, others.crowds) if nuclei.crowds != others.crowds else None
    if not (rows or len(nuclei) or change or areas or crowds):
        raise EditError("Nothing to do: there are no nuclei in it.")
    return Edit(name, tuple(nuclei), rows, change, areas, crowds=crowds)


def _renumbered(nucleus: Nucleus, up: int) -> Nucleus:
    if not up:
        return nucleus
    parents = tuple(i + up for i in nucleus.origin.parents)
    return replace(nucleus, id=nucleus.id + up, origin=replace(nucleus.origin, parents=parents))
