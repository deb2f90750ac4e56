"""`VersionsView`: the models that there are, which one is in use, and going back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import UserError
from ...models import registry, versions
from ...models.card import Card
from ...wording import Place, read_here
from ..qt_helpers import confirmed, quiet

BACK = "Ctrl+Shift+B"


class VersionsView(QWidget):
    """Lists models. Signals: `changed`, another one is in use; `said`, a line and whether bad."""

    changed = Signal()
    said = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.list = QListWidget()
        self.list.setMaximumHeight(110)
        self.use_button = QPushButton("Use")
        self.back_button = QPushButton("Go back")
        self.back_button.setToolTip(f"Go back to the model that was in use before ({BACK})")
        self.remove_button = QPushButton("Remove…")
        self.back_key = QShortcut(QKeySequence(BACK), self)
        self.back_key.setContext(Qt.ShortcutContext.WindowShortcut)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        row = QHBoxLayout()
        for button in (self.use_button, self.back_button, self.remove_button):
            row.addWidget(button)
        column.addLayout(row)
        self.list.currentItemChanged.connect(self._on_item)
        self.use_button.clicked.connect(self._on_use)
        self.back_button.clicked.connect(self.go_back)
        self.back_key.activated.connect(self.go_back)
        self.remove_button.clicked.connect(self._on_remove)
        self.load()

    @property
    def card(self) -> Card | None:
        """The card of the model that is selected."""
        item = self.list.currentItem()
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    def load(self) -> None:
        """List the models that there are."""
        try:
            used = registry.current().name
        except UserError:
            used = ""
        with quiet(self.list):
            self.list.clear()
            for card in registry.cards():
                here = card.name == used
                item = QListWidgetItem(f"{'● ' if here else '    '}{card.name}")
                item.setData(Qt.ItemDataRole.UserRole, card)
                item.setToolTip(about(card))
                self.list.addItem(item)
                if here:
                    self.list.setCurrentItem(item)
        self._used = used
        self._on_item()

    def use(self, name: str) -> None:
        """Use a model from now on."""
        self._do(partial(versions.use, name))

    def go_back(self) -> None:
        """Use the model again that was in use before."""
        self._do(versions.rollback)

    def _do(self, change: Callable[[], Card]) -> None:
        try:
            with read_here(Place.WINDOW):
                card = change()
        except UserError as error:
            self.said.emit(str(error), True)
            return
        self.load()
        self.said.emit(f"In use now: {card.name} ({card.licence}).", False)
        self.changed.emit()

    def _on_item(self, *_: Any) -> None:
        card = self.card
        used = card is not None and card.name == self._used
        place = card.path if card is not None else None
        own = place is not None and place.parent != registry.SHIPPED
        self.use_button.setEnabled(card is not None and not used)
        self.remove_button.setEnabled(own and not used)

    def _on_use(self) -> None:
        if self.card is not None:
            self.use(self.card.name)

    def _on_remove(self) -> None:
        card = self.card
        if card is None:
            return
        question = f"Delete the model {card.name!r} and its weights? This cannot be undone."
        if not confirmed(self, "Remove a model", question):
            return
        try:
            with read_here(Place.WINDOW):
                versions.remove(card.name)
        except UserError as error:
            self.said.emit(str(error), True)
            return
        self.load()
        self.said.emit(f"Removed {card.name}.", False)
        self.changed.emit()


def about(card: Card) -> str:
    """Say what is known of a model, for a tooltip."""
    made = f"Made {card.created}" * bool(card.created) + f" from {card.base}" * bool(card.base)
    scores = "\n".join(
        f"{name}: F1 {figures['f1_50']:.3f}"
        for name, figures in card.scores.items()
        if isinstance(figures, dict) and isinstance(figures.get("f1_50"), float)
    )
    lines = [card.description, made.strip(), f"Licence: {card.licence}", scores]
    return "\n".join([*filter(None, lines), f"SHA-256 {card.sha256[:16]}…"])
