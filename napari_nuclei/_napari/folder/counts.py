"""`Standings`: how far each image of a workspace is, counted on a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from ...errors import UserError
from ...nuclei.counts import Stage, Standing
from ...workspace.workspace import Workspace
from ..background.tasks import Outcome, Tasks

WAIT_MS = 200
"""How long a count waits for further edits."""

PART = 32
"""How many images are counted before the list is told."""


class Standings(QObject):
    """How far each item is, and what is wrong with it.

    Attributes
    ----------
    problems : dict of int to str
        Why an item could not be read or segmented.

    Notes
    -----
    Signal: `counted` (list of numbers), what is known of these has changed.
    """

    counted = Signal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self._tasks: Tasks | None = None
        self._known: dict[int, Standing] = {}
        self.problems: dict[int, str] = {}
        self._soon: int | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.count_now)

    def of(self, number: int) -> Standing | None:
        """Return how far an item is; None as long as it is not known."""
        return self._known.get(number)

    def number_at(self, stage: Stage) -> int:
        """Count the items that are known to be at a stage."""
        return sum(standing.stage is stage for standing in self._known.values())

    def start(self, workspace: Workspace) -> None:
        """Count all items of a workspace."""
        self.stop()
        self._workspace = workspace
        self._tasks = Tasks("nuclei-count", parent=self)
        for begin in range(0, len(workspace.items), PART):
            self._look_up(range(begin, min(begin + PART, len(workspace.items))))

    def stop(self) -> None:
        """Forget everything."""
        if self._tasks is not None:
            self._tasks.close()
            self._tasks.deleteLater()
        self._tasks = self._workspace = self._soon = None
        self._known, self.problems = {}, {}

    def set_problem(self, number: int, reason: str) -> None:
        """Note why an item could not be read or segmented; empty if it could."""
        if self.problems.get(number, "") != reason:
            self.problems[number] = reason
            if not reason:
                del self.problems[number]
            self.counted.emit([number])

    def count_soon(self, number: int) -> None:
        """Count an item again once its edits have come to rest."""
        self._soon = number
        self._timer.start()

    def count_now(self) -> None:
        """Count what was to be counted soon."""
        self._timer.stop()
        if self._soon is not None:
            self.count([self._soon])
            self._soon = None

    def count(self, numbers: Sequence[int]) -> None:
        """Count some items again."""
        workspace = self._workspace
        if workspace is None:
            return
        here = [n for n in numbers if _is_open(workspace, n)]
        self.set({n: _standing(workspace, n) for n in here})
        there = [n for n in numbers if n not in here]
        if there:
            self._look_up(there)

    def set(self, found: Mapping[int, Standing]) -> None:
        """Take note of what somebody has counted."""
        new = {n: standing for n, standing in found.items() if self._known.get(n) != standing}
        self._known |= new
        if new:
            self.counted.emit(list(new))

    def _look_up(self, numbers: Sequence[int]) -> None:
        assert self._workspace is not None
        assert self._tasks is not None
        self._tasks.do(partial(_closed, self._workspace, numbers), self._on_counted)

    def _on_counted(self, outcome: Outcome) -> None:
        found: _Found = outcome.value
        self.set(found.standings)
        if found.open and self._workspace is not None:
            # An open review belongs to this thread.
            self.set({n: _standing(self._workspace, n) for n in found.open})
        for number, reason in found.broken.items():
            self.set_problem(number, reason)


@dataclass(slots=True)
class _Found:
    """How far items are; which reviews are open, and which cannot be read and why."""

    standings: dict[int, Standing] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)


def _standing(workspace: Workspace, number: int) -> Standing:
    item = workspace.items[number]
    return workspace.standing(item.path, item.plane, item.part)


def _is_open(workspace: Workspace, number: int) -> bool:
    return bool(workspace.open_planes(workspace.items[number].path))


def _closed(workspace: Workspace, numbers: Sequence[int]) -> _Found:
    """Count the items whose reviews are not open."""
    out = _Found()
    for number in numbers:
        if _is_open(workspace, number):
            out.open.append(number)
            continue
        try:
            out.standings[number] = _standing(workspace, number)
        except (UserError, OSError) as error:
            out.broken[number] = str(error)
        except RuntimeError:  # it was opened and changed just now
            out.open.append(number)
    return out
