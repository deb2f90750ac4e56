"""`Segmenting`: one segmentation after the other, from the button to the review layer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from ...errors import UserError
from ...masks import Mask
from ...masks.box import Box
from ...models.card import Card
from ...nuclei.counts import is_complete
from ...progress import Progress
from ...wording import counted
from ..background.runner import Runner
from ..background.time_left import TimeLeft
from ..layers.found_so_far import Arrivals
from ..layers.gestures import Point, Tool
from ..layers.keys import filled
from ..layers.record import Record
from ..layers.source import Source, source_of
from ..review.reviewing import actions_of
from ..session.hand import Whereabouts
from ..session.openers import writable
from ..session.session import Session
from .engine import Engine
from .proposing import Found, propose, record_for, steps_of, threshold_for
from .regions import DRAW, Region, area_in_view, area_of_shapes, box_of
from .settings_panel import SettingsPanel

if TYPE_CHECKING:
    from ...prediction.predict import Prediction
    from ..session.messages import Spot

CORRECT = (
    "Step through the doubtful ones with {next}: {accept} accepts, {reject} rejects, {delete} "
    "deletes, {split} splits; brush and eraser ({activate_labels_paint_mode}, "
    "{activate_labels_erase_mode}) change outlines, {new_label} starts a new one. {show_keys} "
    "shows all keys."
)
NOTHING_TO_SEGMENT = "There is no image to segment: open one first."
NO_MODEL = "There is no model to segment with: reinstall napari-nuclei."
DONE_ELSEWHERE = "“{name}” is segmented: select its nuclei in the layer list to work on them."
NOTHING_THERE = "No nuclei were found there."
BELOW = "No nuclei reach the score threshold: lower “Minimum score” to see those below it."
NOTHING_FOUND = "No nuclei were found. Set the diameter, or choose other channels or another model."


class Segmenting(QObject):
    """Segments what the settings say.

    Its signals come on the main thread: `progressed` (Progress), `said` (text, whether it is a
    problem), `found` after a result has come into its review and the person was led there,
    `began` when a region that was drawn is being segmented, and `ended`.
    """

    progressed = Signal(object)
    said = Signal(str, bool)
    found = Signal()
    began = Signal()
    ended = Signal()

    def __init__(
        self, session: Session, engine: Engine, settings: SettingsPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.session, self.engine, self.settings = session, engine, settings
        self.runner = Runner(self)
        self._run: _Run | None = None
        self._arrivals = Arrivals(session.viewer)
        self._diameters: WeakKeyDictionary[Image, dict[str, float]] = WeakKeyDictionary()
        self.runner.progressed.connect(self._on_progress)
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

    @property
    def spot(self) -> Spot | None:
        """The image and plane that are being segmented; of several planes the image alone."""
        run = self._run
        if run is None:
            return None
        return run.source.image, None if run.several else run.source.plane

    @property
    def is_stack(self) -> bool:
        """Whether the chosen image has several planes."""
        image = self.settings.image
        if image is None:
            return False
        try:
            source = source_of(image, self.settings.channels, self.session.viewer.dims.point)
        except UserError:
            return False
        return int(np.prod(source.shape[:-2])) > 1

    def start(self, region: Region = Region.IMAGE, area: Box | None = None) -> None:
        """Segment the chosen image, or a part of it, in the background.

        For a region without an `area` the mouse is to draw one, unless a shape is selected.
        """
        image, card = self.settings.image, self.settings.card
        if image is None or card is None:
            self.said.emit(NOTHING_TO_SEGMENT if image is None else NO_MODEL, True)
            return
        viewer = self.session.viewer
        try:
            source = source_of(image, self.settings.channels, viewer.dims.point)
            if region is Region.VIEW:
                area = area_in_view(viewer, image)
            elif region is Region.REGION and area is None:
                area = area_of_shapes(viewer, image)
            sources = self._planes(source) if region is Region.PLANES else [source]
            sources = writable(self.session, sources)
        except UserError as error:
            self.said.emit(str(error), True)
            return
        if region is Region.REGION and area is None:
            self._draw_region(source)
            return
        diameter = self.settings.diameter
        if diameter is None and area is not None:  # as the rest of the image was scaled
            diameter = self._diameters.get(image, {}).get(card.name)
        options = (card.name, self.settings.device, diameter, area)
        self.said.emit("Starting", False)
        self.runner.start(partial(steps_of, self.engine, sources, *options))
        auto = self.settings.diameter is None
        record = self.session.record_for(image, source.shape)
        where, time = Whereabouts(viewer), TimeLeft()
        self._run = _Run(source, card, auto, area, len(sources) > 1, time, where, record)

    def refusal(self) -> str:
        """Say why the plane in view cannot be segmented: its review is not to be written here."""
        image = self.settings.image
        try:
            if image is not None:
                point = self.session.viewer.dims.point
                writable(self.session, [source_of(image, self.settings.channels, point)])
        except UserError as error:
            return str(error)
        return ""

    def cancel(self) -> None:
        """Forget what is running."""
        self.runner.cancel()

    def _planes(self, source: Source) -> list[Source]:
        """Return all planes that are not marked complete, from that in view on."""
        record = self.session.record_for(source.image, source.shape)
        reviews = record.reviews if record is not None else {}
        planes = list(np.ndindex(*source.shape[:-2]))
        first = planes.index(source.plane)
        order = planes[first:] + planes[:first]
        left = [p for p in order if p not in reviews or not is_complete(reviews[p].nuclei)]
        if not left:
            raise UserError("All planes are marked complete: there is nothing to segment.")
        point = self.session.viewer.dims.point
        return [source_of(source.image, self.settings.channels, point, plane) for plane in left]

    def _draw_region(self, source: Source) -> None:
        """Have a box drawn on the review layer; the region in it is then segmented."""
        bridge = self.session.open(source.image, source.shape)
        self.session.activate(bridge)
        actions = actions_of(bridge)
        if actions is None:
            return
        gestures = actions.gestures

        def on_box(corners: list[Point]) -> None:
            gestures.drop()
            try:
                area = box_of(corners, source.image)
            except UserError as error:
                self.said.emit(str(error), True)
                return
            self.start(Region.REGION, area)
            self.began.emit()

        gestures.activate(Tool("segment region", "box", on_box, DRAW))

    # -- what the thread says ---------------------------------------------------------

    def _on_progress(self, progress: Progress) -> None:
        run = self._run
        if run is None:
            return
        if isinstance(progress.new, Found):
            new = progress.new
            self._note(run, new.source, new.result)
            self.session.hand.when_free(partial(self._put, run, new.source, new.result))
        elif progress.new:
            sure = [mask for mask, score in progress.new if score >= run.card.threshold]
            self._outline(run, sure)
        there = len(self._arrivals)
        count = f" · {counted(there, 'nucleus')} so far" if there else ""
        text = f"{progress.message}{count}{run.time.text(progress)}"
        self.progressed.emit(replace(progress, message=text, new=None))

    def _outline(self, run: _Run, masks: list[Mask]) -> None:
        """Outline what has been found so far over its review layer, which comes too if need be."""
        if not masks:
            return
        if not self._arrivals.are_shown:
            bridge = self.session.open(run.source.image, run.source.shape, run.record)
            self._arrivals.begin(bridge, run.source)
        self._arrivals.add(masks)

    def _on_result(self, result: Prediction) -> None:
        assert self._run is not None
        run, image = self._run, self._run.source.image
        self._arrivals.clear()
        if not run.several:  # else each has come already
            self._note(run, run.source, result)
            self.session.hand.when_free(partial(self._put, run, run.source, result))
        here = self.settings.image is image
        if run.auto:
            self._diameters.setdefault(image, {})[run.card.name] = result.diameter
            if here:
                self.settings.show_found_diameter(result.diameter)
        self.settings.load_devices()
        there = run.seen and not here
        self.said.emit(DONE_ELSEWHERE.format(name=image.name) if there else run.summary(), False)

    def _note(self, run: _Run, source: Source, result: Prediction) -> None:
        """Take note of what was found, and whether it can be seen."""
        record = record_for(self.session, source, run.record)
        threshold = threshold_for(record, source, run.card, run.area is not None)
        run.found |= bool(result.found)
        run.seen |= any(score >= threshold for _, score, *_ in result.found)

    def _put(self, run: _Run, source: Source, result: Prediction) -> None:
        """Put a result into its review; lead the person there if they have waited for it."""
        if source.image not in self.session.viewer.layers:
            return
        bridge = propose(self.session, source, result, run.card, run.area, run.record)
        waited, run.waited = run.waited, False
        still = self.settings.image is source.image  # not another one, by the panel's list
        if waited and still and run.where.are_those_of(self.session.viewer):
            self.session.activate(bridge)
            self.found.emit()

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            logging.getLogger(__name__).error("segmentation failed", exc_info=error)
        self.said.emit(str(error) or type(error).__name__, True)

    def _on_end(self) -> None:
        self._run = None
        self._arrivals.clear()
        self.ended.emit()


@dataclass(slots=True)
class _Run:
    """What is being segmented, by which model, and how.

    `auto` is whether its diameter is to be found, `several` whether it is several planes,
    `where` the person was when it began, `waited` whether they are to be led to what comes,
    `found` whether anything was found, `seen` whether any of it reaches the threshold.
    """

    source: Source
    card: Card
    auto: bool
    area: Box | None
    several: bool
    time: TimeLeft
    where: Whereabouts
    record: Record | None
    waited: bool = True
    found: bool = False
    seen: bool = False

    def summary(self) -> str:
        """Say what came of it."""
        if not self.found:
            return NOTHING_FOUND if self.area is None else NOTHING_THERE
        return filled(CORRECT) if self.seen else BELOW
