"""`ReviewPanel`: what is selected, the buttons for what the keys do, and the rarer operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...journal.journal import Journal
from ...journal.place import is_chosen, user_folder
from ...nuclei import Nuclei, edits
from ...nuclei.counts import is_complete
from ..layers.features import state_of
from ..layers.keys import KEYS
from ..qt_helpers import line, quiet
from .actions import Actions
from .legend import Legend
from .reviewing import ON_KEYS

BUTTONS = {
    "accept": "Accept",
    "reject": "Reject",
    "delete": "Delete",
    "join": "Join",
    "split": "Split",
    "previous": "◀ Previous",
    "next": "Next ▶",
}
"""By the names of their keys, which do the same."""

TARGET = "Keys act on the nucleus under the mouse."


class ReviewPanel(QWidget):
    """Shows the actions of a review layer. Signal: `outlined`, outlines are (not) wanted."""

    outlined = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._actions: Actions | None = None
        self.selection = line()
        self.buttons = {n: self._button(text, ON_KEYS[n]) for n, text in BUTTONS.items()}
        self.buttons["split"].setCheckable(True)
        self.more_button = QPushButton("More")
        self.more_button.setMenu(self._menu())
        self.keys_button = self._button("Keys", Actions.show_keys)
        self.outlines_box = QCheckBox("Outlines by state")
        self.outlines_box.setChecked(True)
        self.outlines_box.toggled.connect(self._on_outlines)
        self.legend = Legend()
        self.kept = line()
        self.kept.setEnabled(False)
        self._lay_out()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.selection)
        grid = QGridLayout()
        grid.setSpacing(4)
        for k, name in enumerate(("accept", "reject", "delete")):
            grid.addWidget(self.buttons[name], 0, 2 * k, 1, 2)
        for k, button in enumerate((self.buttons["join"], self.buttons["split"], self.more_button)):
            grid.addWidget(button, 1, 2 * k, 1, 2)
        grid.addWidget(self.buttons["previous"], 2, 0, 1, 3)
        grid.addWidget(self.buttons["next"], 2, 3, 1, 3)
        column.addLayout(grid)
        row = QHBoxLayout()
        row.addWidget(self.outlines_box, 1)
        row.addWidget(self.keys_button)
        column.addLayout(row)
        column.addWidget(self.legend)
        column.addWidget(self.kept)

    def _button(self, text: str, call: Callable[[Actions], object]) -> QPushButton:
        button = QPushButton(text)
        button.clicked.connect(lambda: self._with(call))
        return button

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for text, call in self._entries():
            if text:
                menu.addAction(text, call)
            else:
                menu.addSeparator()
        return menu

    def _entries(self) -> list[tuple[str, Callable[[], object]]]:
        def reshape(make: Callable[..., edits.Edit]) -> Callable[[], object]:
            return partial(self._with, lambda actions: actions.reshape(make))

        return [
            ("Accept all above a score…", self._accept_above),
            ("", self._accept_above),
            ("Fill holes", reshape(edits.fill_holes)),
            ("Smooth the outline", reshape(edits.smooth)),
            ("Keep the largest part", reshape(edits.keep_largest)),
            ("Grow by a pixel", reshape(edits.grow)),
            ("Shrink by a pixel", reshape(edits.shrink)),
            ("Split with two clicks", partial(self._with, Actions.seeds)),
            ("Remark…", self._note),
            ("", self._note),
            ("Mark the image complete", partial(self._with, Actions.complete)),
            ("Mark an area complete", partial(self._with, Actions.complete_area)),
            ("Unmark as complete", partial(self._with, lambda actions: actions.complete(False))),
        ]

    def _with(self, call: Callable[[Actions], object]) -> None:
        if self._actions is not None:
            self._actions.activate()
            call(self._actions)

    # What a dialog was opened for is what it changes, whatever comes into view meanwhile.

    def _accept_above(self) -> None:
        actions = self._actions
        title, label = "Accept proposals", "Accept all that are shown with a score of at least"
        score, chosen = QInputDialog.getDouble(self, title, label, 0.9, 0, 1, 2)
        if chosen and actions is not None:
            actions.accept_above(score)

    def _note(self) -> None:
        actions = self._actions
        if actions is None:
            return
        targets = actions.targets
        text, chosen = QInputDialog.getText(self, "Remark", "On the selection:")
        if chosen:
            actions.note(text, targets)

    def _on_outlines(self, shown: bool) -> None:
        self.legend.setVisible(shown)
        self.outlined.emit(shown)

    # -- what is shown ----------------------------------------------------------------

    def show_review(self, actions: Actions | None, elsewhere: str = "") -> None:
        """Show the actions of a review layer; None hides the panel.

        `elsewhere` is what to click before keys work here, if they do not.
        """
        self._actions = actions
        self.setVisible(actions is not None)
        if actions is None:
            return
        self._name_keys()
        self._say_where(actions.review.journal)
        writable = not actions.review.read_only
        for name, button in self.buttons.items():
            button.setEnabled(writable or name in ("next", "previous"))
        self.more_button.setEnabled(writable)
        tool = actions.gestures.tool
        with quiet(self.buttons["split"]):
            self.buttons["split"].setChecked(tool is not None and tool.name == "split")
        again = actions.walk.check.asking  # unmarked: as if nobody had accepted it
        words = _summary(actions.review.nuclei, actions.review.selection, again)
        target = TARGET if writable and not actions.review.selection else ""
        self.selection.setText(f"{words} {elsewhere or target}".strip())

    def _say_where(self, journal: Journal | None) -> None:
        """Say where every edit is kept."""
        if journal is None:
            self.kept.setText("In memory only: export before you close.")
        elif journal.read_only:
            self.kept.setText("Open in another window: view only.")
        elif journal.problem:
            self.kept.setText(f"⚠ {journal.problem}")
        elif journal.path.parent == user_folder():
            place = f"in {user_folder().name}" if is_chosen() else "in your data folder"
            self.kept.setText(f"Every edit is saved {place}.")
        else:
            self.kept.setText("Every edit is saved beside the image.")
        self.kept.setToolTip("" if journal is None else str(journal.path))

    def _name_keys(self) -> None:
        for key in KEYS:
            button = self.keys_button if key.name == "show_keys" else self.buttons.get(key.name)
            if button is not None:
                button.setToolTip(f"{key.text} ({key.shortcut})" if key.shortcut else key.text)


def _summary(nuclei: Nuclei, selection: tuple[int, ...], again: int | None = None) -> str:
    """Say what is selected, or how to select, in a line."""
    done = "This image is complete. " if is_complete(nuclei) else ""
    if not selection:
        return f"{done}Nothing selected."
    if len(selection) > 1:
        return f"{done}{len(selection)} nuclei selected."
    nucleus = nuclei[selection[0]]
    state = "proposed" if nucleus.id == again else state_of(nucleus)
    parts = [f"Nucleus {nucleus.id}", state, f"{nucleus.mask.area:,} px"]
    if nucleus.score < 1:
        parts.insert(2, f"score {nucleus.score:.2f}")
    if nucleus.note:
        parts.append(f"“{nucleus.note}”")
    return done + " · ".join(parts)
