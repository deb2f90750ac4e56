"""What the tests of journals share: a review with all kinds of lines, comparing. No tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from strategies import state_of

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review

SHAPE = (20, 20)
square = Mask.from_array(np.ones((4, 4)))
PIXELS = np.arange(400, dtype=np.uint16).reshape(SHAPE)


def opened(image: Path | None, start: Nuclei | None = None) -> Review:
    return Review.open(image, start=start or Nuclei(SHAPE), pixels=PIXELS)


def journal_of(image: Path) -> Path:
    return image.parent / ".napari-nuclei" / f"{image.name}.jsonl"


def add(of: Review, at: int) -> None:
    of.do(edits.add(of.nuclei, square.shift(at, at)))


def worked(image: Path) -> Review:
    """A review with something of each kind of line in it."""
    of = opened(image)
    found = [(square.shift(k, 2 * k), 0.2 * k) for k in range(5)]
    of.do(edits.propose(of.nuclei, found, "netz", 0.3))
    of.do(edits.merge(of.nuclei, [2, 3]))
    of.undo()
    of.do(edits.note(of.nuclei, [2], "µ\n„?“ \udcff"))
    of.do(edits.mark_complete(of.nuclei, (0, 0, 5, 5)))
    of.undo()
    of.redo()
    add(of, 9)
    of.undo()
    return of


def same(one: Review, other: Review) -> bool:
    return (
        state_of(one.nuclei) == state_of(other.nuclei)
        and one.nuclei.next_id == other.nuclei.next_id
        and one.done == other.done
        and one.undone == other.undone
    )


def abandon(of: Review) -> None:
    """Do what the end of a process does: nothing but giving the lock back."""
    assert of.journal is not None
    assert of.journal._lock is not None
    of.journal._lock.release()
    of.journal._lock = None


def notices(of: Review) -> str:
    assert of.journal is not None
    return " ".join(of.journal.notices)
