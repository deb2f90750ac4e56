"""`Segmenting`: one segmentation after the other, from the button to the review layer.

Here: what is segmented, progress, results and failures. Not here: widgets (`widget.py`),
threads (`runner.py`), models (`engine.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from .. import edits
from ..errors import UserError
from ..models.card import Card
from ..nuclei import Kind
from .engine import Engine, read_and_segment
from .record import Record
from .runner import Runner
from .session import Session
from .settings_panel import SettingsPanel
from .source import Source, source_of

if TYPE_CHECKING:
    from ..prediction.predict import Prediction

CORRECT = (
    "Go along the doubtful ones with N: A accepts, R rejects, Delete deletes, S splits; brush and "
    "eraser (2, 1) change outlines, M starts a new one. H shows all keys."
)
NOTHING_TO_SEGMENT = "There is no image to segment: open one first."
NO_MODEL = "There is no model to segment with: reinstall napari-nuclei."
NOTHING_FOUND = "No nuclei were found. Set the diameter, or choose other channels or another model."


class Segmenting(QObject):
    """Segments what the settings say.

    Its signals come on the main thread: `progressed` (Progress), `said` (text, whether it is a
    problem), `found` after a result has come into its review, and `ended`.
    """

    progressed = Signal(object)
    said = Signal(str, bool)
    found = Signal()
    ended = Signal()

    def __init__(
        self, session: Session, engine: Engine, settings: SettingsPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.session, self.engine, self.settings = session, engine, settings
        self.runner = Runner(self)
        self._run: _Run | None = None
        self.runner.progressed.connect(self.progressed)
        self.runner.succeeded.connect(self._on_result)
        self.runner.failed.connect(self._on_failure)
        self.runner.ended.connect(self._on_end)

    @property
    def running(self) -> bool:
        """Whether something is being segmented."""
        return self.runner.running

    @property
    def image(self) -> Image | None:
        """The image that is being segmented."""
        return self._run.source.image if self._run else None

    def start(self) -> None:
        """Segment the chosen image in the background."""
        image, card = self.settings.image, self.settings.card
        if image is None or card is None:
            self.said.emit(NOTHING_TO_SEGMENT if image is None else NO_MODEL, True)
            return
        try:
            source = source_of(image, self.settings.channels, self.session.viewer.dims.point)
        except UserError as error:
            self.said.emit(str(error), True)
            return
        diameter = self.settings.diameter
        options = (card.name, self.settings.device, diameter)
        self.said.emit("Starting", False)
        self.runner.start(partial(read_and_segment, self.engine, source.read, *options))
        self._run = _Run(source, card, diameter is None)

    def cancel(self) -> None:
        """Forget what is running."""
        self.runner.cancel()

    def _on_result(self, result: Prediction) -> None:
        assert self._run is not None
        card, source = self._run.card, self._run.source
        propose(self.session, source, result, card)
        if self._run.auto:
            self.settings.show_found_diameter(result.diameter)
        self.settings.load_devices()
        self.said.emit(CORRECT if result.found else NOTHING_FOUND, False)
        self.found.emit()

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            logging.getLogger(__name__).error("segmentation failed", exc_info=error)
        self.said.emit(str(error) or type(error).__name__, True)

    def _on_end(self) -> None:
        self._run = None
        self.ended.emit()


def propose(session: Session, source: Source, result: Prediction, card: Card) -> None:
    """Put a model's result into the review of the plane that it was made of."""
    threshold = _threshold(session.records.of_shape(source.image, source.shape), source, card)
    bridge = session.open(source.image, source.shape)
    review = bridge.review_at(source.plane)
    bridge.attempt(
        lambda: review.do(edits.propose(review.nuclei, result.found, card.name, threshold))
    )
    bridge.update_features()
    session.activate(bridge)


def _threshold(record: Record | None, source: Source, card: Card) -> float:
    """Return the threshold for a model's new result.

    Each model scores differently: that of a plane holds only if it has nuclei of this one.
    """
    review = record.reviews.get(source.plane) if record else None
    if review is None:
        return card.threshold
    origins = (n.origin for n in review.nuclei)
    known = any(o.kind is Kind.MODEL and o.model == card.name for o in origins)
    return review.nuclei.threshold if known else card.threshold


@dataclass(frozen=True, slots=True)
class _Run:
    """What is being segmented, by which model, and whether its diameter is to be found."""

    source: Source
    card: Card
    auto: bool
