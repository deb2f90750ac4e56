"""`History`: a stack of edits whose older part is read only when somebody asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from ..errors import UserError
from .edit import Edit


class History(Sequence[Edit]):
    """Edits, oldest first.

    Parameters
    ----------
    edits : iterable of Edit
        Those that are known.
    older : int
        How many there are before these.
    load : callable, optional
        Returns these older ones.
    words : str
        What the newest of the older ones says of itself.
    """

    def __init__(
        self,
        edits: Iterable[Edit] = (),
        older: int = 0,
        load: Callable[[], Sequence[Edit]] | None = None,
        words: str = "",
    ) -> None:
        self._edits = list(edits)
        self._older = older if load is not None else 0
        self._load = load
        self._last_summary = words
        self._busy = threading.Lock()

    def __len__(self) -> int:
        return self._older + len(self._edits)

    @overload
    def __getitem__(self, at: int) -> Edit: ...

    @overload
    def __getitem__(self, at: slice) -> list[Edit]: ...

    def __getitem__(self, at: int | slice) -> Edit | list[Edit]:
        first = at if isinstance(at, int) else min(range(len(self))[at], default=len(self))
        first += len(self) if first < 0 else 0
        if first < self._older:
            self.load()
        if isinstance(at, slice):
            known = range(len(self))[at]
            return [self._edits[i - self._older] for i in known]
        if not 0 <= first < len(self):
            raise IndexError("there is no such edit")
        return self._edits[first - self._older]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<History of {len(self)} edits>"

    @property
    def last_summary(self) -> str:
        """What the newest edit says of itself; empty if there is none."""
        if self._edits:
            return self._edits[-1].summary()
        return self._last_summary if self._older else ""

    def load(self) -> None:
        """Read the older ones now; a thread may do so after opening.

        Raises
        ------
        UserError
            If they cannot be read.
        """
        wanted = self._older
        if not wanted or self._load is None:
            return
        older = list(self._load())
        if len(older) != wanted:
            raise UserError("The older history has changed on disk; the nuclei are all there.")
        with self._busy:
            if self._older:  # not forgotten or read by another thread meanwhile
                self._edits[:0] = older
                self._older = 0

    def append(self, edit: Edit) -> None:
        """Put an edit on top."""
        self._edits.append(edit)

    def pop(self) -> Edit:
        """Take the newest edit off."""
        if not self._edits:
            self.load()
        return self._edits.pop()

    def clear(self) -> None:
        """Forget all of them."""
        with self._busy:
            self._edits.clear()
            self._older = 0
