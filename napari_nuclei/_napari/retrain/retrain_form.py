"""`RetrainForm`: what is learned from, by which model, how long."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ...errors import UserError
from ...models import registry, versions
from ..qt_helpers import combo, line, refill
from .retrain_source import Choice, Summary


class RetrainForm(QWidget):
    """Asks for what a retraining needs. Signal: `changed`, something else is to be learned from."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source_box = combo("What to learn from: everything marked complete there")
        self.about_source = line()
        self.base_box = combo("The model to train further")
        self.about_base = line()
        self.name_box = QLineEdit()
        self.name_box.setToolTip("Name of the new model")
        self.minutes_box = QSpinBox()
        self.minutes_box.setRange(1, 24 * 60)
        self.minutes_box.setValue(10)
        self.minutes_box.setSuffix(" min")
        self.minutes_box.setToolTip("Approximate time for training and evaluation")
        self.replay_box = QLineEdit()
        self.replay_box.setPlaceholderText("none (optional)")
        self.replay_box.setToolTip(
            "COCO data set of what the model must not forget; its images are beside it or in "
            "images/"
        )
        self.replay_button = QPushButton("…")
        self.replay_button.setMaximumWidth(32)
        self._lay_out()
        self.source_box.currentIndexChanged.connect(self.changed)
        self.base_box.currentIndexChanged.connect(self._on_base)
        self.replay_button.clicked.connect(self._on_replay)
        self.load_models()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Learn from", self.source_box)
        form.addRow(self.about_source)
        form.addRow("Start from", self.base_box)
        form.addRow(self.about_base)
        form.addRow("Name", self.name_box)
        form.addRow("Time", self.minutes_box)
        row = QHBoxLayout()
        row.addWidget(self.replay_box)
        row.addWidget(self.replay_button)
        form.addRow("Replay", row)

    @property
    def source(self) -> Choice | None:
        """What is chosen to learn from."""
        return self.source_box.currentData()

    def load_sources(self, sources: list[Choice]) -> None:
        """Offer these."""
        refill(self.source_box, [(source.label, source) for source in sources])

    def show_summary(self, summary: Summary | None) -> None:
        """Say how much has been reviewed there."""
        folder = self.source.folder if self.source else None
        text = f"Everything reviewed in {folder}." if folder is not None else str(summary)
        self.about_source.setText(text)

    def load_models(self) -> None:
        """Offer the models that there are, the one in use chosen."""
        cards = registry.cards()
        try:
            used = registry.current().name
        except UserError:
            used = ""
        cards.sort(key=lambda card: card.name != used)
        refill(self.base_box, [(card.name, card.name) for card in cards])
        self.base_box.setCurrentIndex(0 if cards else -1)
        self._on_base()

    def _on_base(self) -> None:
        name = self.base_box.currentData()
        if name is None:
            self.about_base.setText("There is no model to start from: reinstall napari-nuclei.")
            return
        self.about_base.setText(f"Licence, passed on to the new one: {registry.find(name).licence}")
        self.name_box.setText(versions.free_name(name))

    def _on_replay(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a data set to replay", "", "*.json")
        if path:
            self.replay_box.setText(path)

    def arguments(self, data: Path) -> list[str]:
        """Return the arguments of the command.

        Parameters
        ----------
        data : Path
            The reviewed data set, whose images have whole paths.
        """
        out = [str(data), "--images", str(data.parent)]
        out += ["--model", str(self.base_box.currentData())]
        out += ["--name", self.name_box.text().strip(), "--minutes", str(self.minutes_box.value())]
        replay = self.replay_box.text().strip()
        return out + (["--replay", replay] if replay else [])
