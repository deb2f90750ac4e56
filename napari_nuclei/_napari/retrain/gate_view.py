"""`GateView`: a retraining's result: the verdict, the figures before and after, what changed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..qt_helpers import line

ROWS = [
    ("locked", "f1_50", "F1"),
    ("locked", "ap50", "AP50"),
    ("locked", "recall50", "Recall"),
    ("locked", "precision50", "Precision"),
    ("sample", "f1_50", "Sample F1"),
    ("sample", "ap50", "Sample AP50"),
    ("sample", "recall50", "Sample rec."),
    ("sample", "precision50", "Sample prec."),
]
KINDS = [
    ("lost", "Lost", "Your nuclei that only the old model finds"),
    ("false alarm", "New false alarms", "What only the new model calls a nucleus"),
    ("found", "Found", "Your nuclei that only the new model finds"),
    ("mended", "False alarms gone", "What only the old model calls a nucleus"),
]
MAX_ENTRIES = 500
"""Entries that are listed of a kind."""

BETTER, WORSE = "#2e9e5b", "#d0482f"


class GateView(QWidget):
    """Shows a report.

    Signals: `chosen`, a change (a dict) that the person wants to see; `locked_wanted`, they want
    to see the locked tiles.
    """

    chosen = Signal(dict)
    locked_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.verdict = line()
        self.table = QTableWidget(len(ROWS), 3)
        self.table.setHorizontalHeaderLabels(["Before", "After", "Change"])
        self.table.setVerticalHeaderLabels([text for _, _, text in ROWS])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.table.setStyleSheet("QTableWidget::item { padding: 0 }")
        header = self.table.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.list = QTreeWidget()
        self.list.setHeaderHidden(True)
        self.list.setFixedHeight(150)
        self.list.currentItemChanged.connect(self._on_item)
        self.locked_button = QPushButton("Show the locked tiles")
        self.locked_button.setToolTip("The parts of the images that are never trained on")
        self.locked_button.clicked.connect(self.locked_wanted)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.verdict, self.table, self.list, self.locked_button):
            column.addWidget(part)

    def show_report(self, report: dict[str, Any]) -> None:
        """Show what a run has said at its end."""
        accepted = bool(report["accepted"])
        colour, word = (BETTER, "Better") if accepted else (WORSE, "Refused")
        reasons = "<br>".join(f"• {text}" for text in report["reasons"])
        self.verdict.setText(f"<b style='color:{colour}'>{word}</b><br>{reasons}")
        figures = report["figures"]
        parts = {"locked": figures["locked"], "sample": figures["sample"]["all"]}
        for row, (part, name, _) in enumerate(ROWS):
            self._fill(row, parts[part][name])
        self._fit()
        self._show_changes(report["changes"])

    def _fill(self, row: int, spread: dict[str, Any]) -> None:
        low, high = spread["gain_range"]
        gain = spread["after"] - spread["before"]
        change = f"{gain:+.3f} ± {(high - low) / 2:.3f}"
        texts = (f"{spread['before']:.3f}", f"{spread['after']:.3f}", change)
        ranges = (spread["before_range"], spread["after_range"], (low, high))
        for col, (text, (a, b)) in enumerate(zip(texts, ranges, strict=True)):
            item = QTableWidgetItem(text)
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            item.setToolTip(f"{a:+.3f} to {b:+.3f} in 95 of 100 draws of tiles")
            if col == 2 and (low > 0 or high < 0):  # more than noise
                item.setForeground(QColor(BETTER if low > 0 else WORSE))
            self.table.setItem(row, col, item)

    def _fit(self) -> None:
        """Make the table as high as its rows."""
        self.table.resizeRowsToContents()
        header = self.table.horizontalHeader()
        assert header is not None
        rows = sum(self.table.rowHeight(row) for row in range(self.table.rowCount()))
        self.table.setFixedHeight(rows + header.sizeHint().height() + 4)

    def _show_changes(self, changes: list[dict[str, Any]]) -> None:
        self.list.clear()
        for kind, text, tip in KINDS:
            rows = [change for change in changes if change["kind"] == kind]
            group = QTreeWidgetItem([f"{text}: {len(rows)}"])
            group.setToolTip(0, tip)
            self.list.addTopLevelItem(group)
            # Those that say most come first: where the new model was not trained.
            for change in sorted(rows, key=lambda c: not c["locked"])[:MAX_ENTRIES]:
                name = str(change["image"]).replace("\\", "/").rsplit("/", 1)[-1]
                number = f", {change['id']}" if change["id"] is not None else ""
                item = QTreeWidgetItem([f"{name}{number}{', locked' * change['locked']}"])
                item.setData(0, Qt.ItemDataRole.UserRole, change)
                group.addChild(item)

    def _on_item(self, item: QTreeWidgetItem | None, _before: object = None) -> None:
        change = item.data(0, Qt.ItemDataRole.UserRole) if item is not None else None
        if change is not None:
            self.chosen.emit(change)
