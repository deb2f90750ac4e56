"""Edits: every change of an image's nuclei, as a value that can be undone.

Here: pure functions that look at `Nuclei` and return one `Edit`, and what an edit says of
itself. Not here: doing and undoing (`Nuclei.apply`, `review.py`), strokes on a label image
(`labels.py`).
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .errors import UserError
from .mask import Box, Mask
from .nuclei import Kind, Nuclei, Nucleus, Origin, State


class EditError(UserError):
    """An edit that makes no sense here; the message is for the person who asked for it."""


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change.

    Attributes
    ----------
    name : str
        What was done: ``"split"``, ``"accept"``, …
    before, after : tuple of Nucleus
        The nuclei that it takes away, and those that it puts in their place.
    threshold : (float, float) or None
        The score threshold before and after, if it changes.
    complete : (tuple of Box, tuple of Box) or None
        The complete areas before and after, if they change.
    time : float
        Seconds since the epoch.
    author : str
        Login name of the person.
    """

    name: str
    before: tuple[Nucleus, ...] = ()
    after: tuple[Nucleus, ...] = ()
    threshold: tuple[float, float] | None = None
    complete: tuple[tuple[Box, ...], tuple[Box, ...]] | None = None
    time: float = field(default_factory=time.time)
    author: str = field(default_factory=_author)

    def inverse(self) -> Edit:
        """Return the edit that takes this one back."""
        return replace(
            self,
            before=self.after,
            after=self.before,
            threshold=self.threshold and self.threshold[::-1],
            complete=self.complete and self.complete[::-1],
        )

    @property
    def ids(self) -> set[int]:
        """Ids of all nuclei that it touches."""
        return {n.id for n in (*self.before, *self.after)}

    @property
    def boxes(self) -> list[Box]:
        """Boxes of the masks that it changes, before and after."""
        return [n.mask.box for n in {*self.before} ^ {*self.after} if n.mask]

    def words(self) -> str:
        """Say in a few words what was done, as ``split 212 into 212 and 498``."""
        old = [n.id for n in self.before]
        new = [n.id for n in self.after]
        if self.threshold is not None:
            return f"{self.name} {self.threshold[0]:.2f} → {self.threshold[1]:.2f}"
        if not old or set(old) == set(new):
            return f"{self.name} {_listed(new)}".strip()
        if not new:
            return f"{self.name} {_listed(old)}"
        return f"{self.name} {_listed(old)} into {_listed(new)}"


def _listed(ids: list[int]) -> str:
    if len(ids) > 3:
        return f"{len(ids)} nuclei"
    return " and ".join(
        [", ".join(map(str, ids[:-1]))] * (len(ids) > 1) + [str(i) for i in ids[-1:]]
    )


# -- helpers ----------------------------------------------------------------------------


def _take(nuclei: Nuclei, ids: Iterable[int], what: str) -> list[Nucleus]:
    rows = [nuclei[i] for i in dict.fromkeys(ids) if i in nuclei]
    if not rows:
        raise EditError(f"No nucleus to {what} here. Point at one or select one.")
    return rows


def _changed(nuclei: Nuclei, nucleus: Nucleus, mask: Mask) -> Nucleus:
    """Give a nucleus another mask; whoever asks for that has looked at it."""
    mask = mask.clip(nuclei.shape)
    if not mask:
        raise EditError("Nothing of the nucleus would be left. Delete it instead.")
    return replace(nucleus, mask=mask, state=State.ACCEPTED)


def _states(nuclei: Nuclei, ids: Iterable[int], state: State, name: str) -> Edit:
    rows = [n for n in _take(nuclei, ids, name) if n.state is not state]
    if not rows:
        raise EditError(f"Nothing to do: already {state.value}.")
    return Edit(name, tuple(rows), tuple(replace(n, state=state) for n in rows))


# -- operations -------------------------------------------------------------------------


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
    rows = _take(nuclei, ids, "delete")
    kept = [
        replace(n, state=State.REJECTED, mask=n.origin.mask or n.mask)
        for n in rows
        if n.origin.kind is Kind.MODEL
    ]
    return Edit("delete", tuple(rows), tuple(kept))


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


def merge(nuclei: Nuclei, ids: Sequence[int]) -> Edit:
    """Join nuclei into one, which keeps the first one's id."""
    rows = _take(nuclei, ids, "join")
    if len(rows) < 2:
        raise EditError("Joining needs at least two nuclei: select them with shift-click.")
    first = _changed(nuclei, rows[0], Mask.union_of(n.mask for n in rows))
    origin = replace(first.origin, parents=tuple(n.id for n in rows))
    order = max(n.order for n in rows)
    return Edit("join", tuple(rows), (replace(first, origin=origin, order=order),))


def split(nuclei: Nuclei, id: int, line: Sequence[tuple[float, float]]) -> Edit:
    """Cut a nucleus along a polyline of (y, x); the largest part keeps the id."""
    (nucleus,) = _take(nuclei, [id], "split")
    return _split_into(nuclei, nucleus, nucleus.mask.split(line))


def _split_into(nuclei: Nuclei, nucleus: Nucleus, parts: list[Mask]) -> Edit:
    if len(parts) < 2:
        raise EditError("The line does not cut the nucleus in two: draw it right across.")
    first = _changed(nuclei, nucleus, parts[0])
    origin = Origin(parents=(nucleus.id,))
    others = [
        Nucleus(nuclei.next_id + k, part, 1.0, State.ACCEPTED, origin, first.order)
        for k, part in enumerate(parts[1:])
    ]
    return Edit("split", (nucleus,), (first, *others))


def repaint(nuclei: Nuclei, id: int, mask: Mask, name: str = "repaint") -> Edit:
    """Give a nucleus another mask."""
    (nucleus,) = _take(nuclei, [id], "repaint")
    if nucleus.mask == mask:
        raise EditError("Nothing to do: the outline is already so.")
    return Edit(name, (nucleus,), (_changed(nuclei, nucleus, mask),))


def note(nuclei: Nuclei, ids: Iterable[int], text: str) -> Edit:
    """Put a remark on nuclei."""
    rows = _take(nuclei, ids, "remark on")
    return Edit("note", tuple(rows), tuple(replace(n, note=text) for n in rows))


def set_threshold(nuclei: Nuclei, score: float) -> Edit:
    """Show untouched proposals from this score on."""
    if not 0 <= score <= 1:
        raise EditError(f"A score threshold lies between 0 and 1, not at {score}.")
    return Edit("threshold", threshold=(nuclei.threshold, score))


def mark_complete(nuclei: Nuclei, box: Box | None = None) -> Edit:
    """Say that nothing is missing in an area, or in the whole image."""
    new = (0, 0, *nuclei.shape) if box is None else box
    return Edit("mark complete", complete=(nuclei.complete, (*nuclei.complete, new)))


def propose(
    nuclei: Nuclei, found: Sequence[tuple[Mask, float]], model: str, threshold: float
) -> Edit:
    """Replace all untouched proposals by a model's new ones.

    Parameters
    ----------
    found : sequence of (Mask, float)
        Masks and scores, down to a low score.
    model : str
        Name of the model.
    threshold : float
        Score from which on they are shown.

    Notes
    -----
    What a person has touched stays. New proposals that cover more than half of such a
    nucleus (IoU 0.5), shown or rejected, are dropped: the person has decided there.
    """
    old = tuple(n for n in nuclei if not n.touched)
    decided = Nuclei(nuclei.shape, (n for n in nuclei if n.touched))
    new: list[Nucleus] = []
    for mask, score in found:
        if not any(mask.iou(n.mask) >= 0.5 for n in decided.in_box(mask.box)):
            origin = Origin(Kind.MODEL, model, mask)
            new.append(Nucleus(nuclei.next_id + len(new), mask, score, origin=origin))
    change = (nuclei.threshold, threshold) if threshold != nuclei.threshold else None
    return Edit("segment", old, tuple(new), threshold=change)
