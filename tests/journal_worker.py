"""A process that edits until it is killed: `python journal_worker.py IMAGE SEED`. No tests."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import numpy as np

from napari_nuclei.errors import EditError
from napari_nuclei.journal import journal
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review

SHAPE = (40, 40)
SQUARE = Mask.from_array(np.ones((6, 6)))


def step(review: Review, seed: int) -> None:
    """Make the next change, which follows from the seed and the number of changes so far."""
    count = getattr(step, "count", 0)
    random_ = random.Random(f"{seed} {count}")
    ids = [n.id for n in review.nuclei]
    mask = SQUARE.shift(random_.randrange(34), random_.randrange(34))
    choice = random_.randrange(8)
    try:
        if choice < 2:
            assert review.undo()
        elif choice == 2:
            assert review.redo()
        elif choice < 5 or not ids:
            review.do(edits.add(review.nuclei, mask))
        elif choice == 5:
            review.do(edits.delete(review.nuclei, random_.sample(ids, 1)))
        elif choice == 6:
            review.do(edits.repaint(review.nuclei, random_.choice(ids), mask))
        else:
            found = [(mask.shift(-k, k), 0.1 * k) for k in range(9)]
            review.do(edits.propose(review.nuclei, found, "netz", random_.random()))
    except (EditError, AssertionError):
        review.do(edits.add(review.nuclei, mask))
    step.count = count + 1  # type: ignore[attr-defined]


def main() -> None:
    """Edit for ever, saying after each change how many lines are written."""
    image, seed = Path(sys.argv[1]), int(sys.argv[2])
    journal.SNAPSHOT_BYTES = 2000  # many snapshots
    review = Review.open(image, start=Nuclei(SHAPE))
    assert not review.read_only
    assert review.journal is not None
    step.count = review.journal.count  # type: ignore[attr-defined]
    while True:
        step(review, seed)
        os.write(1, f"{review.journal.count}\n".encode())
        time.sleep(0.001)


if __name__ == "__main__":
    main()
