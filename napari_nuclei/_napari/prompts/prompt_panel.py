"""`PromptPanel`: buttons of the prompts, how many to fix of a kind, and the self-check."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ...prompts.similar import Similar
from ...triage.self_check import SHARE
from ...wording import are
from ..layers.keys import KEYS, filled
from ..qt_helpers import line, quiet
from .prompting import ON_KEYS, prompts_of

if TYPE_CHECKING:
    from ..review.actions import Actions
    from .prompt_actions import Prompts

BUTTONS = {
    "box": "Box",
    "click": "Click",
    "ghosts": "Candidates",
    "reading": "Alternatives",
    "nudge_in": "− In",
    "nudge_out": "+ Out",
    "fix_kind": "Fix similar nuclei",
}
"""By the names of their keys, which do the same."""

TOOLS = ("box", "click", "ghosts")

CHECK = (
    f"About {SHARE:.0%} of what {{next}} shows are nuclei that you have already accepted, "
    "unmarked: they show how consistent you are."
)

OPERATIONS = {
    "delete": "Delete",
    "accept": "Accept",
    "promote": "Promote",
    "grow": "Grow",
    "shrink": "Shrink",
}


class PromptPanel(QWidget):
    """Shows the prompts of a review layer."""

    def __init__(self) -> None:
        super().__init__()
        self._actions: Actions | None = None
        self._watched: Prompts | None = None
        self.buttons = {n: self._button(text, ON_KEYS[n]) for n, text in BUTTONS.items()}
        for name in TOOLS:
            self.buttons[name].setCheckable(True)
        self.kind = QWidget()
        self.kind_line = line()
        self.similar_slider = QSlider(Qt.Orientation.Horizontal)
        self.similar_slider.setMinimum(1)
        self.similar_slider.valueChanged.connect(self._on_slider)
        self.similar_do = QPushButton()
        self.kind_drop = QPushButton("Not now")
        self.similar_do.clicked.connect(self._on_do)
        self.kind_drop.clicked.connect(
            lambda: self._with_prompts(lambda p: p.similar.drop_similar())
        )
        self.check_box = QCheckBox("Re-check a few of mine")
        self.check_box.setChecked(True)
        self.check_box.toggled.connect(self._on_check)
        self.consistency = line()
        self.reset_button = QPushButton()
        self.reset_button.clicked.connect(self._on_reset)
        self._lay_out()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        grid = QGridLayout()
        grid.setSpacing(4)
        places = [(0, 0, 2), (0, 2, 2), (0, 4, 2), (1, 0, 2), (1, 2, 2), (1, 4, 2), (2, 0, 6)]
        for (down, across, wide), button in zip(places, self.buttons.values(), strict=True):
            grid.addWidget(button, down, across, 1, wide)
        column.addLayout(grid)
        kind = QVBoxLayout(self.kind)
        kind.setContentsMargins(0, 0, 0, 0)
        kind.addWidget(self.kind_line)
        kind.addWidget(self.similar_slider)
        row = QHBoxLayout()
        row.addWidget(self.similar_do, 1)
        row.addWidget(self.kind_drop)
        kind.addLayout(row)
        column.addWidget(self.kind)
        self.kind.hide()
        column.addWidget(self.check_box)
        column.addWidget(self.consistency)
        column.addWidget(self.reset_button)

    def _button(self, text: str, call: Callable[[Prompts], object]) -> QPushButton:
        button = QPushButton(text)
        button.clicked.connect(partial(self._with_prompts, call))
        return button

    def _with_prompts(self, call: Callable[[Prompts], object], *_: object) -> None:
        if self._actions is not None and self._watched is not None:
            self._actions.activate()
            call(self._watched)

    # -- fix all of this kind ---------------------------------------------------------

    def _on_kind(self, kind: Similar | None) -> None:
        self.kind.setVisible(kind is not None)
        if kind is not None:
            with quiet(self.similar_slider):
                self.similar_slider.setMaximum(len(kind.ids))
                self.similar_slider.setValue(max(1, kind.likely))
            self._say_how_many()

    def _on_slider(self, count: int) -> None:
        if self._watched is not None:
            self._watched.similar.preview_kind(count)
        self._say_how_many()

    def _say_how_many(self) -> None:
        kind = self._watched.similar.kind if self._watched else None
        if kind is None:
            return
        count = self.similar_slider.value()
        self.kind_line.setText(
            f"{count:,} of {len(kind.ids):,} {are(count)} selected, most similar first."
        )
        self.similar_do.setText(f"{OPERATIONS[kind.operation]} {count:,}")

    def _on_do(self) -> None:
        if self._watched is not None:
            self._watched.similar.apply_kind(self.similar_slider.value())

    # -- the self-check ---------------------------------------------------------------

    def _on_check(self, wanted: bool) -> None:
        if self._actions is not None:
            self._actions.walk.check.share = SHARE if wanted else 0.0

    def _on_reset(self) -> None:
        if self._actions is not None:
            self._actions.walk.reset()
            self._actions.told.emit(filled("{next} follows its original order again."))

    # -- what is shown ----------------------------------------------------------------

    def show_review(self, actions: Actions | None) -> None:
        """Show the prompts of a review layer; None hides the panel."""
        self._actions = actions
        prompts = prompts_of(actions)
        if prompts is not self._watched:
            if self._watched is not None:
                self._watched.similar.kind_changed.disconnect(self._on_kind, missing_ok=True)
            self._watched = prompts
            if prompts is not None:
                prompts.similar.kind_changed.connect(self._on_kind)
            self._on_kind(prompts.similar.kind if prompts else None)
        self.setVisible(prompts is not None)
        if actions is None:
            return
        for button in self.buttons.values():
            button.setEnabled(not actions.review.read_only)
        for key in KEYS:
            if key.name in self.buttons:
                shown = f" ({key.shortcut})" if key.shortcut else ""
                self.buttons[key.name].setToolTip(f"{key.text}{shown}")
        self.check_box.setToolTip(filled(CHECK))
        self.reset_button.setText(filled("Forget what was learned about doubt"))
        self.reset_button.setToolTip(filled("Return {next} to its original order."))
        tool = actions.gestures.tool
        for name in TOOLS:
            with quiet(self.buttons[name]):
                self.buttons[name].setChecked(tool is not None and tool.name == name)
        actions.walk.check.share = SHARE if self.check_box.isChecked() else 0.0
        said = actions.walk.check.result.words()
        self.consistency.setText(f"You are {said}." if said else "")
        self.consistency.setVisible(bool(said))
