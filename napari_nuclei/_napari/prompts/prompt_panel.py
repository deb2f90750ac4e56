"""`PromptPanel`: buttons of the prompts, how many similar nuclei to fix, and the self-check."""

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
        self.similar_box = QWidget()
        self.similar_line = line()
        self.similar_slider = QSlider(Qt.Orientation.Horizontal)
        self.similar_slider.setMinimum(1)
        self.similar_slider.valueChanged.connect(self._on_slider)
        self.similar_do = QPushButton()
        self.similar_drop = QPushButton("Not now")
        self.similar_do.clicked.connect(self._on_do)
        self.similar_drop.clicked.connect(
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
        inside = QVBoxLayout(self.similar_box)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.similar_line)
        inside.addWidget(self.similar_slider)
        row = QHBoxLayout()
        row.addWidget(self.similar_do, 1)
        row.addWidget(self.similar_drop)
        inside.addLayout(row)
        column.addWidget(self.similar_box)
        self.similar_box.hide()
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

    # -- fix similar nuclei -----------------------------------------------------------

    def _on_similar(self, offer: Similar | None) -> None:
        self.similar_box.setVisible(offer is not None)
        if offer is not None:
            with quiet(self.similar_slider):
                self.similar_slider.setMaximum(len(offer.ids))
                self.similar_slider.setValue(max(1, offer.likely))
            self._say_how_many()

    def _on_slider(self, count: int) -> None:
        if self._watched is not None:
            self._watched.similar.preview(count)
        self._say_how_many()

    def _say_how_many(self) -> None:
        offer = self._watched.similar.offer if self._watched else None
        if offer is None:
            return
        count = self.similar_slider.value()
        self.similar_line.setText(
            f"{count:,} of {len(offer.ids):,} {are(count)} selected, most similar first."
        )
        self.similar_do.setText(f"{OPERATIONS[offer.operation]} {count:,}")

    def _on_do(self) -> None:
        if self._watched is not None:
            self._watched.similar.apply(self.similar_slider.value())

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
                self._watched.similar.offer_changed.disconnect(self._on_similar, missing_ok=True)
            self._watched = prompts
            if prompts is not None:
                prompts.similar.offer_changed.connect(self._on_similar)
            self._on_similar(prompts.similar.offer if prompts else None)
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
        said = actions.walk.check.result.summary()
        self.consistency.setText(f"You are {said}." if said else "")
        self.consistency.setVisible(bool(said))
