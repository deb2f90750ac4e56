"""`Panels`: the panels of the dock widget, one below the other."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..journal.lost import Trace
from .folder.folder_panel import FolderPanel
from .layers.keys import filled
from .prompts.prompt_panel import PromptPanel
from .qt_helpers import combo, line, refill, scroll
from .retrain.retrain_source import UNCORRECTED
from .review.result_panel import ResultPanel
from .review.review_panel import ReviewPanel
from .segment.regions import TIPS, Region
from .segment.settings_panel import SettingsPanel

OPEN = (
    "<b>Open an image</b><br>Drop one on the window, use File ▸ Open, or try a sample; more are "
    "under File ▸ Open Sample ▸ Nuclei."
)
SAMPLE = "histology"
"""Key of the sample that the button opens."""
PRESS = "<b>Press Segment</b><br>The nuclei found appear as a Labels layer."
RESUMED = "This image's review continues where you left off; {undo} reaches back to its first edit."
SAME = (
    "An image with the same content was reviewed as {}.\nThis one continues with a copy of that "
    "review, which itself stays unchanged."
)
COPIED = "A copy of that review continues here; the other image's review stays unchanged."
ADOPT = (
    "Use the labels of this layer as the nuclei under review, in place of those there now. "
    "{undo} undoes it."
)
TEACH = "Train a model on what you have corrected"


class Panels(QWidget):
    """A column of panels that scrolls."""

    folder: FolderPanel
    settings: SettingsPanel

    def lay_out(self) -> None:
        """Make the other panels and put all of them together."""
        self.result = ResultPanel()
        self.review = ReviewPanel()
        self.prompts = PromptPanel()
        self.adopt_button = QPushButton()
        self.retrain_button = QPushButton("Retrain…")
        self.advice = line()
        self.sample_button = QPushButton("Open a sample image")
        self.segment_button = QPushButton("Segment")
        self.region_box = combo("")
        self.region_box.currentIndexChanged.connect(self._on_region)
        self.offer_regions(False)
        self.bar = QProgressBar()
        self.message = line()
        self.warning = line()
        self.offer_button = QPushButton()
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(8)
        column.addWidget(self.folder)
        column.addWidget(self.advice)
        column.addWidget(self.sample_button)
        column.addWidget(self.settings)
        row = QHBoxLayout()
        row.addWidget(self.segment_button, 3)
        row.addWidget(self.region_box, 2)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        column.addWidget(self.warning)
        column.addWidget(self.offer_button)
        column.addWidget(self.adopt_button)
        column.addWidget(self.result)  # so high up that Export is seen on a small screen
        column.addWidget(self.review)
        column.addWidget(self.prompts)
        column.addWidget(self.retrain_button)
        column.addStretch(1)
        self.bar.hide()
        self.message.hide()
        self.warning.hide()
        self.offer_button.hide()
        scroll(self, inside, 290)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take a folder, an image or a list, wherever it is dropped."""
        self.folder.dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take it everywhere."""
        self.folder.dragMoveEvent(event)

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Open what is dropped."""
        self.folder.dropEvent(event)

    def offer_retraining(self, shown: bool, worth_it: bool) -> None:
        """Show the button that leads to retraining; enabled where there is something to learn."""
        self.retrain_button.setVisible(shown)
        self.retrain_button.setEnabled(worth_it)
        self.retrain_button.setToolTip(TEACH if worth_it else UNCORRECTED)

    def offer_to_adopt(self, name: str) -> None:
        """Offer to adopt the layer of this name; none where it is empty."""
        self.adopt_button.setVisible(bool(name))
        if name:
            short = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 160)
            self.adopt_button.setText(f"Adopt “{short}”")
            self.adopt_button.setToolTip(filled(ADOPT))

    def offer_regions(self, stack: bool) -> None:
        """Offer how much can be segmented; all planes only of a stack."""
        regions = [region for region in Region if stack or region is not Region.PLANES]
        if self.region_box.count() == len(regions):
            return  # or a list that is open would close
        refill(self.region_box, [(region.value, region) for region in regions])
        for k, region in enumerate(regions):
            self.region_box.setItemData(k, filled(TIPS[region]), Qt.ItemDataRole.ToolTipRole)
        self._on_region()

    def warn(self, lines: list[str]) -> None:
        """Show what is uncertain about the review in view, as long as it is in view."""
        self.warning.setText("\n".join(f"⚠ {line}" for line in lines))
        self.warning.setVisible(bool(lines))

    def offer(self, trace: Trace | None) -> None:
        """Offer to begin with the review of an image that has the same content."""
        self.offer_button.setVisible(trace is not None)
        if trace is not None:
            middle = Qt.TextElideMode.ElideMiddle
            name = self.fontMetrics().elidedText(trace.image.name, middle, 120)
            self.offer_button.setText(f"Start from the review of “{name}”")
            self.offer_button.setToolTip(SAME.format(trace.image))

    def _on_region(self) -> None:
        tip = filled(TIPS[self.region])
        self.region_box.setToolTip(f"How much to segment. {self.region.value}: {tip}")
        self.segment_button.setToolTip(tip)

    @property
    def region(self) -> Region:
        """How much is to be segmented."""
        return Region(self.region_box.currentData() or Region.IMAGE)
