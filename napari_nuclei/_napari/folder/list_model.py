"""`FolderModel`: the items of a folder as rows of a Qt list, and the filter over them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from qtpy.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
)

from ...nuclei.counts import Stage, Standing
from ...wording import counted
from .folder import Folder
from .thumbnails import Thumbnails

STANDING, PROBLEM, CURRENT, NUMBER = (Qt.ItemDataRole.UserRole + k for k in range(1, 5))


class Filter(StrEnum):
    """Which items are listed."""

    ALL = "all"
    UNTOUCHED = "untouched"
    BEGUN = "begun"
    COMPLETE = "complete"
    PROBLEM = "with problems"


class FolderModel(QAbstractListModel):
    """The items of a folder.

    Roles besides Qt's own: `STANDING` (Standing or None), `PROBLEM` (str), `CURRENT` (bool),
    `NUMBER` (int); the decoration is the thumbnail, or None as long as there is none.
    """

    def __init__(self, folder: Folder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.thumbnails = Thumbnails(self)
        self._current: int | None = None
        self.thumbnails.made.connect(lambda number: self._tell([number]))
        folder.counted.connect(self._tell)
        folder.turned.connect(self._on_turned)
        folder.opened.connect(self.reload)
        folder.ending.connect(self.empty)
        self._items = folder.items
        self.reload()

    def reload(self) -> None:
        """Take over what is open now."""
        self._set(self.folder.items)

    def empty(self) -> None:
        """Show nothing."""
        self._set(())

    def _set(self, items: Any) -> None:
        self.beginResetModel()
        self._items = items
        self._current = None
        self.thumbnails.show(items)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return how many items there are."""
        return 0 if parent is not None and parent.isValid() else len(self._items)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a row says."""
        number = index.row()
        if not 0 <= number < len(self._items):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.name(number)
        if role == Qt.ItemDataRole.DecorationRole:
            return self.thumbnails.of(number)
        if role == STANDING:
            return self.folder.standings.of(number)
        if role == PROBLEM:
            return self.folder.standings.problems.get(number, "")
        if role == CURRENT:
            return number == self._current
        if role == NUMBER:
            return number
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(number)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            standing, problem = (
                self.folder.standings.of(number),
                self.folder.standings.problems.get(number),
            )
            return f"{self.name(number)}, {standing_text(standing, problem or '')}"
        return None

    def name(self, number: int) -> str:
        """Return the name of an item, with its plane if a list names single ones."""
        item = self._items[number]
        plane = f" · plane {'-'.join(map(str, item.plane))}" if item.plane else ""
        return f"{item.path.name}{plane}"

    def _tooltip(self, number: int) -> str:
        item = self._items[number]
        standing, problem = (
            self.folder.standings.of(number),
            self.folder.standings.problems.get(number, ""),
        )
        about = [str(item.path), standing_text(standing, "")]
        if standing is not None:
            counts = standing.counts
            about.append(
                f"{counts.as_is:,} accepted unchanged, {counts.corrected:,} corrected, "
                f"{counts.added:,} drawn, {counts.rejected:,} rejected"
            )
        return "\n".join([*about, *([f"⚠ {problem}"] if problem else [])])

    def _tell(self, numbers: list[int]) -> None:
        for number in numbers:
            if 0 <= number < len(self._items):
                row = self.index(number)
                self.dataChanged.emit(row, row)

    def _on_turned(self) -> None:
        asked = self.folder.asked
        before, self._current = self._current, self.folder.current if asked is None else asked
        self._tell([n for n in (before, self._current) if n is not None])


class FolderFilter(QSortFilterProxyModel):
    """The items whose name holds a text and that are at a stage; the one in view stays."""

    def __init__(self, model: FolderModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.text, self.stage = "", Filter.ALL
        self.setSourceModel(model)
        self._model = model

    def choose(self, text: str, stage: Filter) -> None:
        """List other items."""
        self.text, self.stage = text.casefold(), stage
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Whether an item is listed."""
        if not self.text and self.stage is Filter.ALL:
            return True
        if self._model.index(row).data(CURRENT):
            return True
        if self.text not in self._model.name(row).casefold():
            return False
        folder = self._model.folder
        if self.stage is Filter.ALL:
            return True
        if self.stage is Filter.PROBLEM:
            return row in folder.standings.problems
        standing = folder.standings.of(row)
        stage = Stage.UNTOUCHED if standing is None else standing.stage
        return stage.value == self.stage.value

    def numbers(self) -> list[int]:
        """List the numbers of the items that are listed."""
        return [self.mapToSource(self.index(k, 0)).row() for k in range(self.rowCount())]


def standing_text(standing: Standing | None, problem: str) -> str:
    """Say in a few words how far an item is."""
    if problem:
        return "problem"
    if standing is None:
        return "…"
    shown, left = standing.counts.shown, standing.counts.remaining
    parts = [standing.stage.value]
    if shown:
        parts.append(counted(shown, "nucleus"))
    if left and standing.stage is Stage.BEGUN:
        parts.append(f"{left:,} to go")
    return " · ".join(parts)
