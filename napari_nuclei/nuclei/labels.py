"""Label images and nuclei: drawing the view, and reading strokes made on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import EditError
from ..masks import Mask, codec, rle
from ..masks.box import Box
from ..masks.mask import enclosing
from .edit import Edit, on_record
from .nuclei import Nuclei
from .nucleus import Kind, Nucleus, Origin, State

Labels = NDArray[np.int32]


def draw(nuclei: Nuclei, box: Box | None = None) -> Labels:
    """Draw the nuclei that are shown into a label image.

    Parameters
    ----------
    nuclei : Nuclei
        Drawn by rank: higher scores over lower ones, what a person drew on top.
    box : Box, optional
        The part of the image to draw; the whole image by default.

    Returns
    -------
    (H, W) int32
        0 is background, all other values are ids.
    """
    y0, x0, y1, x1 = box or (0, 0, *nuclei.shape)
    out = np.zeros((y1 - y0, x1 - x0), np.int32)
    here = nuclei.in_box(box) if box else nuclei
    for nucleus in sorted((n for n in here if nuclei.is_shown(n)), key=lambda n: n.rank):
        nucleus.mask.paint(out, nucleus.id, y0, x0)
    return out


def stroke(nuclei: Nuclei, ys: ArrayLike, xs: ArrayLike, value: int, name: str = "paint") -> Edit:
    """Turn painted pixels into one edit.

    Parameters
    ----------
    ys, xs : (N,) int
        Coordinates of the painted pixels; those outside the image are left out.
    value : int
        The id painted; 0 erases; an id that is in no nucleus adds one.

    Notes
    -----
    The target gains the pixels. They are taken only from the nucleus that was seen there;
    those hidden below keep theirs. A nucleus of which nothing is seen any more is deleted.

    Raises
    ------
    EditError
        If the stroke changes nothing.
    """
    rows, cols = np.asarray(ys, np.int64), np.asarray(xs, np.int64)
    inside = (rows >= 0) & (cols >= 0) & (rows < nuclei.shape[0]) & (cols < nuclei.shape[1])
    painted = Mask.from_pixels(rows[inside], cols[inside])
    if not painted:
        raise EditError("The stroke lies outside the image.")
    seen = draw(nuclei, painted.box)
    under = np.where(painted.to_array(), seen, 0)
    before: dict[int, Nucleus] = {}
    after: dict[int, Nucleus] = {}
    for id in np.unique(under[(under != 0) & (under != value)]).tolist():
        loser = before[id] = nuclei[id]
        left = loser.mask.minus(Mask.from_array(under == id, painted.y, painted.x))
        if left:
            after[id] = replace(loser, mask=left)
    if value:
        if value in nuclei:
            before[value] = nuclei[value]
        after[value] = _grown(nuclei, value, painted)
    if before == after:
        raise EditError("The stroke changes nothing.")
    edit = Edit(name, tuple(before.values()), tuple(after.values()))
    return _without_unseen(nuclei, _on_top(nuclei, edit, value, painted))


def _grown(nuclei: Nuclei, id: int, painted: Mask) -> Nucleus:
    """Return the stroke's target with its new pixels, or a new nucleus."""
    if id not in nuclei:
        if id < nuclei.next_id:
            raise EditError(f"The id {id} has been used before; new ones start higher.")
        return Nucleus(id, painted, state=State.ACCEPTED, order=nuclei.top_order())
    target = nuclei[id]
    # Pixels that nobody sees (rejected, below the threshold) do not come back by painting.
    old = target.mask if nuclei.is_shown(target) else Mask()
    return replace(target, mask=old.union(painted), state=State.ACCEPTED)


def _result(nuclei: Nuclei, edit: Edit, box: Box) -> Labels:
    """Draw a box as it would look after an edit, without doing it."""
    changed = {n.id for n in edit.before}
    rows = [n for n in nuclei.in_box(box) if n.id not in changed] + list(edit.after)
    return draw(Nuclei(nuclei.shape, rows, nuclei.threshold), box)


def _on_top(nuclei: Nuclei, edit: Edit, value: int, painted: Mask) -> Edit:
    """Raise the target if a nucleus that was hidden before now hides painted pixels.

    What the raised target covers completely joins the nuclei that the edit takes away.
    """
    seen = _result(nuclei, edit, painted.box)[painted.to_array()]
    above = np.unique(seen[seen != value]).tolist()
    if not value or not above:
        return edit
    order = 1 + max(nuclei[id].order for id in above)
    after = tuple(replace(n, order=order) if n.id == value else n for n in edit.after)
    raised = replace(edit, after=after)
    target = next(n for n in after if n.id == value)
    covered = tuple(
        n
        for n in nuclei.in_box(target.mask.box)
        if n.id not in edit.ids
        and (draw(nuclei, n.mask.box) == n.id).any()
        and not (_result(nuclei, raised, n.mask.box) == n.id).any()
    )
    return replace(raised, before=(*raised.before, *covered))


def _without_unseen(nuclei: Nuclei, edit: Edit) -> Edit:
    """Delete the nuclei of which the edit leaves nothing to be seen."""
    box = enclosing(n.mask.box for n in (*edit.before, *edit.after))
    seen = set(np.unique(_result(nuclei, edit, box)).tolist())
    kept = [n for n in edit.after if n.id in seen]
    gone = {n.id for n in edit.before} - {n.id for n in kept}
    record = on_record(n for n in edit.before if n.id in gone)
    return replace(edit, after=(*kept, *record))


def from_labels(labels: ArrayLike, source: str = "") -> Nuclei:
    """Make nuclei of a label image; each value other than 0 is one, and keeps it as id.

    Parameters
    ----------
    labels : (H, W) int
        At most 2³¹ − 1.
    source : str
        Where it came from, for the record.
    """
    array = np.asarray(labels)
    if array.ndim != 2 or array.dtype.kind not in "iub":
        raise ValueError("a label image has two dimensions and whole numbers")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int32).max):
        low, high = array.min(), array.max()
        raise ValueError(
            f"it holds values from {low} to {high}, and labels lie between 0 and 2147483647"
        )
    shape = (array.shape[0], array.shape[1])
    # Runs of one value, column by column: far faster than a look at each box.
    flat = array.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([np.zeros(min(1, flat.size), np.int64), edges])
    ends = np.append(edges, flat.size)[: len(starts)]
    seen = flat[starts] != 0
    starts, ends = starts[seen], ends[seen]
    order = np.argsort(flat[starts], kind="stable")
    ids, owner = np.unique(flat[starts[order]], return_inverse=True)
    totals = np.full(len(ids), flat.size)
    runs, sizes = rle.joined(starts[order], ends[order], owner, totals)
    origin = Origin(Kind.IMPORT, source)
    found = zip(ids.tolist(), codec.from_runs(runs, sizes, shape), strict=True)
    return Nuclei(shape, (Nucleus(int(id), mask, origin=origin) for id, mask in found))
