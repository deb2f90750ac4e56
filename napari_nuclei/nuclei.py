"""`Nucleus` and `Nuclei`: what is known of an image's nuclei. The truth of the project.

Here: the values, and finding them by id and by place. Not here: operations on them
(`edits.py`), their history (`review.py`), label images (`labels.py`), files (`formats/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .mask import Box, Mask, touches

if TYPE_CHECKING:
    from .edits import Edit

CELL = 128
"""Side of a cell of the spatial index in px."""

NUCLEUS = "nucleus"
"""The category of what nobody has given another one."""


class State(StrEnum):
    """What a person has said of a nucleus."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Kind(StrEnum):
    """Where a nucleus came from."""

    MODEL = "model"
    HAND = "hand"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a nucleus came to be; it stays what it was when the nucleus is corrected.

    Attributes
    ----------
    kind : Kind
        Model, hand or import.
    model : str
        Name of the model, or of the file it was imported from.
    mask : Mask or None
        The mask as the model predicted it.
    parents : tuple of int
        Ids of the nuclei that it was merged or split from.
    """

    kind: Kind = Kind.HAND
    model: str = ""
    mask: Mask | None = None
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nucleus:
    """One nucleus.

    Attributes
    ----------
    id : int
        Never used twice in an image.
    mask : Mask
        All of its pixels, seen or hidden below another nucleus.
    score : float
        0…1; 1 where a person drew it.
    state : State
        Proposed, accepted or rejected.
    origin : Origin
        Where it came from.
    order : int
        0 for what a model drew. Where nuclei overlap, the higher one is drawn on top.
    note : str
        A person's remark.
    category : str
        Name of its category; a `DataSet` lists them with their ids and colours.
    """

    id: int
    mask: Mask
    score: float = 1.0
    state: State = State.PROPOSED
    origin: Origin = Origin()
    order: int = 0
    note: str = ""
    category: str = NUCLEUS

    @property
    def touched(self) -> bool:
        """Whether a person has drawn, changed, accepted, rejected or remarked on it."""
        return (
            self.state is not State.PROPOSED
            or self.origin.kind is not Kind.MODEL
            or bool(self.note)
            or self.corrected
        )

    @property
    def corrected(self) -> bool:
        """Whether its mask is no longer the one that the model predicted."""
        said = self.origin.mask
        return self.origin.kind is Kind.MODEL and self.mask is not said and self.mask != said

    @property
    def rank(self) -> tuple[int, float, int]:
        """Drawing order: by score, then those drawn or changed by a person."""
        return self.order, self.score, self.id


@dataclass(frozen=True, slots=True)
class Crowd:
    """An area whose nuclei nobody has told apart, COCO's `iscrowd`: ignored, not a nucleus.

    Attributes
    ----------
    mask : Mask
        Its pixels.
    category : str
        Of what it holds.
    """

    mask: Mask
    category: str = NUCLEUS


class Nuclei:
    """The nuclei of one image.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    rows : iterable of Nucleus
        With different ids.
    threshold : float
        Proposals below this score that nobody has touched are kept, but not shown and not
        exported.
    complete : tuple of Box
        Areas in which a person has said that nothing is missing.
    next_id : int
        The id of the next new nucleus; at least one more than the highest.
    crowds : tuple of Crowd
        Areas that are ignored where models are judged or trained.

    Notes
    -----
    Changes go through `apply` and an `Edit`, so that each of them can be taken back.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        rows: Iterable[Nucleus] = (),
        threshold: float = 0.0,
        complete: tuple[Box, ...] = (),
        next_id: int = 1,
        crowds: tuple[Crowd, ...] = (),
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.threshold = threshold
        self.complete = complete
        self.next_id = next_id
        self.crowds = crowds
        self._rows: dict[int, Nucleus] = {}
        self._cells: dict[tuple[int, int], set[int]] = {}
        for row in rows:
            if row.id in self._rows:
                raise ValueError(f"two nuclei have the id {row.id}")
            self._put(row)

    # -- reading ----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Nucleus]:
        return iter(self._rows.values())

    def __contains__(self, id: object) -> bool:
        return id in self._rows

    def __getitem__(self, id: int) -> Nucleus:
        return self._rows[id]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Nuclei):
            return NotImplemented
        return (
            self.shape == other.shape
            and self._rows == other._rows
            and self.threshold == other.threshold
            and self.complete == other.complete
            and self.crowds == other.crowds
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = sum(1 for _ in self.shown())
        return f"<Nuclei {self.shape[0]}×{self.shape[1]}: {shown} shown of {len(self)}>"

    def _repr_html_(self) -> str:
        from .picture import html

        return html(self)

    def is_shown(self, nucleus: Nucleus) -> bool:
        """Whether a nucleus counts: not rejected, and above the threshold or touched."""
        if nucleus.state is State.REJECTED:
            return False
        return nucleus.score >= self.threshold or nucleus.touched

    def shown(self) -> Iterator[Nucleus]:
        """Yield the nuclei that are shown and exported."""
        return (n for n in self if self.is_shown(n))

    def in_box(self, box: Box) -> list[Nucleus]:
        """Return all nuclei, shown or not, whose boxes share a pixel with `box`."""
        ids: set[int] = set()
        for cell in _cells_of(box):
            ids |= self._cells.get(cell, set())
        return [self._rows[i] for i in ids if touches(self._rows[i].mask.box, box)]

    def at(self, y: int, x: int) -> Nucleus | None:
        """Return the nucleus that is seen at a pixel: the topmost shown one."""
        here = [
            n
            for n in self.in_box((y, x, y + 1, x + 1))
            if self.is_shown(n) and n.mask.contains(y, x)
        ]
        return max(here, key=lambda n: n.rank, default=None)

    def top_order(self) -> int:
        """Return the `order` that puts a nucleus above all others."""
        return 1 + max((n.order for n in self), default=0)

    def copy(self, box: Box | None = None) -> Nuclei:
        """Return nuclei that change apart from these, all or those that meet a box."""
        rows = self if box is None else self.in_box(box)
        return Nuclei(self.shape, rows, self.threshold, self.complete, self.next_id, self.crowds)

    # -- changing ---------------------------------------------------------------------

    def apply(self, edit: Edit) -> None:
        """Do an edit that was made for the present state.

        Raises
        ------
        ValueError
            If the nuclei are not in the state that the edit starts from; then nothing is
            changed.
        """
        gone = {n.id for n in edit.before}
        stale = any(self._rows.get(n.id) != n for n in edit.before)
        stale |= any(n.id in self._rows and n.id not in gone for n in edit.after)
        if stale:
            raise ValueError(f"the edit {edit.name!r} does not fit the present nuclei")
        for nucleus in edit.before:
            self._take(nucleus.id)
        for nucleus in edit.after:
            self._put(nucleus)
        if edit.threshold is not None:
            self.threshold = edit.threshold[1]
        if edit.complete is not None:
            self.complete = edit.complete[1]
        if edit.crowds is not None:
            self.crowds = edit.crowds[1]

    def _put(self, nucleus: Nucleus) -> None:
        self._rows[nucleus.id] = nucleus
        self.next_id = max(self.next_id, nucleus.id + 1)
        for cell in _cells_of(nucleus.mask.box):
            self._cells.setdefault(cell, set()).add(nucleus.id)

    def _take(self, id: int) -> None:
        nucleus = self._rows.pop(id)
        for cell in _cells_of(nucleus.mask.box):
            self._cells[cell].discard(id)


def _cells_of(box: Box) -> Iterator[tuple[int, int]]:
    y0, x0, y1, x1 = box
    for row in range(y0 // CELL, -(-y1 // CELL)):
        for col in range(x0 // CELL, -(-x1 // CELL)):
            yield row, col
