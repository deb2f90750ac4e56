"""`Nuclei`: what is known of an image's nuclei, found by id and by place: the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..masks.box import Box, touches
from .image_record import ImageRecord
from .nucleus import NUCLEUS, Crowd, Kind, Nucleus, Origin, State

__all__ = ["NUCLEUS", "Crowd", "Kind", "Nuclei", "Nucleus", "Origin", "State"]

CELL = 128
"""Side of a cell of the spatial index in px."""


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
    image : ImageRecord, optional
        What the image is called, where that is known; no part of the value.

    Notes
    -----
    Changes go through `Edit.apply_to`, so that each of them can be taken back.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        rows: Iterable[Nucleus] = (),
        threshold: float = 0.0,
        complete: tuple[Box, ...] = (),
        next_id: int = 1,
        crowds: tuple[Crowd, ...] = (),
        image: ImageRecord | None = None,
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.threshold = threshold
        self.complete = complete
        self.next_id = next_id
        self.crowds = crowds
        self.image = image
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
        return Nuclei(
            self.shape,
            rows,
            self.threshold,
            self.complete,
            self.next_id,
            self.crowds,
            self.image,
        )

    # -- changing ---------------------------------------------------------------------

    def replace(self, before: Iterable[Nucleus], after: Iterable[Nucleus]) -> None:
        """Put nuclei in the place of others.

        Raises
        ------
        ValueError
            If those that go are not there as they are given, or one that comes has the id of
            one that stays; then nothing is changed.
        """
        before, after = tuple(before), tuple(after)
        gone = {n.id for n in before}
        stale = any(self._rows.get(n.id) != n for n in before)
        if stale or any(n.id in self._rows and n.id not in gone for n in after):
            raise ValueError("the nuclei have changed since then")
        for nucleus in before:
            self._remove(nucleus.id)
        for nucleus in after:
            self._put(nucleus)

    def _put(self, nucleus: Nucleus) -> None:
        self._rows[nucleus.id] = nucleus
        self.next_id = max(self.next_id, nucleus.id + 1)
        for cell in _cells_of(nucleus.mask.box):
            self._cells.setdefault(cell, set()).add(nucleus.id)

    def _remove(self, id: int) -> None:
        nucleus = self._rows.pop(id)
        for cell in _cells_of(nucleus.mask.box):
            self._cells[cell].discard(id)


def _cells_of(box: Box) -> Iterator[tuple[int, int]]:
    y0, x0, y1, x1 = box
    for row in range(y0 // CELL, -(-y1 // CELL)):
        for col in range(x0 // CELL, -(-x1 // CELL)):
            yield row, col
