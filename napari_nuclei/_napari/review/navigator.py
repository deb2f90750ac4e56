"""`QueueWalk`: N and Shift+N along the queue of doubts, and the self-check on the way."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_data_path
from qtpy.QtCore import QTimer

from ...errors import UserError
from ...masks.box import Box
from ...nuclei import Nuclei, Nucleus
from ...nuclei.edit import Edit
from ...triage import weights as doubt_weights
from ...triage.default_weights import DEFAULT
from ...triage.doubts import Evidence, is_entry
from ...triage.review_queue import Entry, ReviewQueue
from ...triage.self_check import SelfCheck
from ...triage.walk import ScoreWalk, Walk
from ...triage.weights import Weights
from .. import PLUGIN

if TYPE_CHECKING:
    from ...review import Review

AT_ONCE = 0.03
"""Seconds that building the queue may take at a time."""

MAX_CHANGED = 300
"""Nuclei of an edit from which on the queue is built anew."""

LEARN_MS = 1500
"""How long nothing must have changed before the weights are learned."""

MIN_DECISIONS = 5
"""Decisions before anything is learned from them."""


def weights_file() -> Path:
    """Return where a reviewer's weights are kept."""
    return user_data_path(PLUGIN, False) / "queue.json"


class QueueWalk:
    """Where the reviewer of one layer is in the queue of the plane in view.

    Attributes
    ----------
    current : int or None
        The nucleus, or the candidate, that was gone to last.
    entry : Entry or None
        The same with its reason; None where the queue is not ready yet.
    check : SelfCheck
        What comes again.
    """

    end = ScoreWalk.end

    def __init__(self) -> None:
        self.current: int | None = None
        self.entry: Entry | None = None
        self.check = SelfCheck()
        self._walk = Walk()
        self._plain = ScoreWalk(self._walk)
        self._review: Review | None = None
        self._queue: ReviewQueue | None = None
        self._building: Generator[Any, None, ReviewQueue] | None = None
        self._evidence: dict[int, Evidence] = {}
        self._decided = 0
        self._pump, self._learn = QTimer(), QTimer()
        for timer, call in ((self._pump, self._build_on), (self._learn, self._learn_now)):
            timer.setSingleShot(True)
            timer.timeout.connect(call)

    def close(self) -> None:
        """Let the review go."""
        self._pump.stop()
        self._learn.stop()
        self._attach(None)

    # -- the queue of a review --------------------------------------------------------

    def _attach(self, review: Review | None) -> None:
        if review is self._review:
            return
        if self._review is not None:
            self._review.changed.disconnect(self._on_edit)
        self._review, self._queue, self._building = review, None, None
        self._evidence = {}
        self._walk = Walk()
        self._plain, self.current, self.entry = ScoreWalk(self._walk), None, None
        if review is not None:
            review.changed.connect(self._on_edit)
            self._build()

    def _build(self) -> None:
        assert self._review is not None
        queue = ReviewQueue(self._review.nuclei, self._weights(), self._walk)
        self._queue, self._building = None, queue.build_steps()
        self._build_on()

    def _build_on(self) -> None:
        """Build for a moment; the rest in the next idle one."""
        until = time.monotonic() + AT_ONCE
        try:
            while self._building is not None and time.monotonic() < until:
                next(self._building)
        except StopIteration as done:
            self._queue, self._building = done.value, None
            done.value.add_evidence(self._evidence)
            return
        self._pump.start(0)

    def _on_edit(self, edit: Edit) -> None:
        if edit.threshold is not None or len(edit.ids) > MAX_CHANGED or self._building is not None:
            self._building, self._queue = None, None
            self._pump.stop()
            self._building = self._anew()
            self._pump.start(LEARN_MS // 5)
        elif self._queue is not None:
            self._queue.follow(edit)
        self._learn.start(LEARN_MS)

    def _anew(self) -> Generator[Any, None, ReviewQueue]:
        assert self._review is not None
        return ReviewQueue(self._review.nuclei, self._weights(), self._walk).build_steps()

    # -- what the model says of itself ------------------------------------------------

    def lacking(self, review: Review, box: Box) -> list[Nucleus]:
        """Return the nuclei to look at in a box whose doubts the model has not been asked for."""
        if review is not self._review:
            return []
        nuclei = review.nuclei
        near = (n for n in nuclei.in_box(box) if n.id not in self._evidence)
        return [n for n in near if is_entry(nuclei, n)]

    def add_evidence(self, review: Review, found: dict[int, Evidence]) -> None:
        """Take account of what the model says of some nuclei."""
        if review is not self._review:
            return
        self._evidence |= found
        if self._queue is not None:
            self._queue.add_evidence(found)

    # -- weights ----------------------------------------------------------------------

    @staticmethod
    def _weights() -> Weights:
        try:
            return doubt_weights.read(weights_file(), DEFAULT)
        except UserError:
            return DEFAULT

    def _learn_now(self) -> None:
        if self._queue is None:
            return
        count = self._queue.learn()
        if count >= MIN_DECISIONS and count != self._decided:
            self._decided = count
            try:
                doubt_weights.write(weights_file(), self._queue.weights)
            except (UserError, OSError):
                return  # learned for this session alone

    def reset(self) -> None:
        """Forget what was learned of this reviewer."""
        weights_file().unlink(missing_ok=True)
        if self._queue is not None:
            self._queue.reset()

    # -- going ------------------------------------------------------------------------

    def go(self, review: Review, step: int = 1) -> int | None:
        """Return the next place (`step` 1), or the one before (−1); None at an end."""
        self._attach(review)
        again = self.check.pick(review.nuclei) if step > 0 else None
        if again is not None:
            self.current, self.entry = again.id, None
        elif self._queue is None:
            self.current, self.entry = self._plain.go(review.nuclei, step), None
        else:
            found = self._queue.next() if step > 0 else self._queue.previous()
            if found is not None or step > 0:
                self.entry = found
                self.current = found.id if found else None
        return self.current

    def agree(self, ids: Sequence[int]) -> bool:
        """Whether accepting these answers a second look, so that there is nothing to do."""
        return len(ids) == 1 and self.check.asking == ids[0]

    def summary(self, nuclei: Nuclei, left: int) -> str:
        """Say in a line where the walk is and why, with `left` proposals to go."""
        if self.current is None or self.current not in nuclei:
            return self.end
        score = f"score {nuclei[self.current].score:.2f}"
        why = f"{self.entry.reason} · " if self.entry else ""
        text = f"{why}{score}; {left:,} to go."
        return text[0].upper() + text[1:]
