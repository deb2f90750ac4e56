"""`ModelPrompts`: questions to the detector, answered one after the other on a thread.

Workers touch no layer: they get the pixels and a copy of the nuclei.
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from ...errors import UserError
from ...masks.box import Box
from ...progress import Progress
from ...prompts.feature_cache import FeatureCache, Identity
from ..background.runner import Runner
from ..layers.camera import camera_of, view_box
from ..layers.source import Channels, Source, channel_choices, source_of
from ..review.reviewing import actions_of
from ..segment.engine import Engine
from ..segment.settings_panel import SettingsPanel

if TYPE_CHECKING:
    from ...prompts.prompter import Prompter
    from ...review import Review
    from ...triage.doubts import Evidence
    from ..layers.bridge import Bridge
    from ..review.navigator import QueueWalk
    from ..session.messages import Spot
    from ..session.session import Session

Question = Callable[["Prompter"], Generator[Progress, None, Any]]
"""What is asked, on the thread; its value is the answer."""

IDLE_MS = 400
"""How long nobody must have asked or moved before the features of the view are computed."""

REMEMBERED = 2
"""Images whose resampled pixels are kept."""

NO_IMAGE = "The image of these nuclei is not open: open it, then try again."
NO_MODEL = "No model is installed: reinstall napari-nuclei, or put one into its folder."


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that waits: about which image, and who wants the answer."""

    key: tuple[Any, ...]
    identity: Identity
    source: Source
    model: str
    device: str
    diameter: float | None
    question: Question
    then: Callable[[Any], None]
    bridge: weakref.ref[Bridge]


class Identities:
    """Names the pixels of image layers: anew where a layer gets other ones."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Image, Identity] = WeakKeyDictionary()

    def of(self, image: Image) -> Identity:
        """Return the name of what a layer shows now."""
        if image not in self._of:
            self._of[image] = Identity()
            image.events.data.connect(self._on_data)
        return self._of[image]

    def _on_data(self, event: Any) -> None:
        self._of[event.source] = Identity()


class ModelPrompts(QObject):
    """Asks the model that is chosen in the settings.

    Its signals come on the main thread: `said` (text, whether it is a problem), and `busy`
    (whether a question is being answered).
    """

    said = Signal(str, bool)
    busy = Signal(bool)

    def __init__(
        self, session: Session, engine: Engine, settings: SettingsPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.session, self.engine, self.settings = session, engine, settings
        self.cache = FeatureCache()
        self.runner = Runner(self)
        self._waiting: deque[_Asked] = deque()
        self._current: _Asked | None = None
        self._prompters: dict[tuple[Any, ...], Prompter] = {}
        self._identities = Identities()
        self._ahead: tuple[Any, ...] = ()
        self.runner.progressed.connect(self._on_progress)
        self.runner.succeeded.connect(self._on_answer)
        self.runner.failed.connect(self._on_failure)
        self.runner.ended.connect(self._on_end)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._look_ahead)

    @property
    def spot(self) -> Spot | None:
        """The image and plane that are being asked about."""
        asked = self._current
        return None if asked is None else (asked.source.image, asked.source.plane)

    @property
    def model(self) -> str:
        """The name of the model that is asked; empty where there is none."""
        card = self.settings.card
        return card.name if card else ""

    def knows(self, model: str) -> bool:
        """Whether there is a model of this name."""
        return any(card.name == model for card in self.engine.cards())

    # -- questions --------------------------------------------------------------------

    def ask(self, bridge: Bridge, question: Question, then: Callable[[Any], None]) -> None:
        """Put a question about the plane in view; `then` gets the answer.

        Questions are answered in their order. The answer to one whose review layer has gone
        meanwhile is dropped.
        """
        try:
            asked = self._asked(bridge, question, then)
        except UserError as error:
            self.said.emit(str(error), True)
            return
        self._waiting.append(asked)
        if self._current is None:
            self.runner.cancel()  # looking ahead waits
            self._start_next()

    def cancel(self) -> None:
        """Forget all questions."""
        self._waiting.clear()
        self._current = None
        self._idle.stop()
        self.runner.cancel()

    def forget(self) -> None:
        """Forget all questions, models and features, so that their memory is free."""
        self.cancel()
        self._prompters.clear()
        self.cache.clear()

    def _asked(self, bridge: Bridge, question: Question, then: Callable[[Any], None]) -> _Asked:
        image, card = self.session.image_of(bridge.layer), self.settings.card
        if image is None or image not in self.session.viewer.layers:
            raise UserError(NO_IMAGE)
        if card is None:
            raise UserError(NO_MODEL)
        same = self.settings.image is image
        channels: Channels = self.settings.channels if same else channel_choices(image)[0]
        diameter = self.settings.diameter if same else None
        source = source_of(image, channels, self.session.viewer.dims.point)
        device = self.settings.device
        identity = self._identities.of(image).of((source.plane, channels, device))
        key = (identity, card.name, card.sha256, diameter)
        who = weakref.ref(bridge)
        return _Asked(key, identity, source, card.name, device, diameter, question, then, who)

    def _start_next(self) -> None:
        if self._waiting:
            self._current = asked = self._waiting.popleft()
            self.busy.emit(True)
            self.runner.start(lambda: self._answer(asked))
        else:
            self.view_moved()

    def _answer(self, asked: _Asked) -> Generator[Progress, None, Any]:
        """Answer a question, on the thread."""
        prompter = self._prompters.get(asked.key)
        if prompter is None:
            make = getattr(self.engine, "prompter", None)
            if make is None:
                raise UserError(
                    f"The model {asked.model!r} does not answer prompts: choose another one."
                )
            yield Progress(0, 0, "Reading the image")
            pixels, how = asked.source.read(), (asked.model, asked.device, asked.diameter)
            prompter = yield from make(pixels, *how, self.cache, asked.identity)
            while len(self._prompters) >= REMEMBERED:
                self._prompters.pop(next(iter(self._prompters)))
            self._prompters[asked.key] = prompter
        return (yield from asked.question(prompter))

    def _on_progress(self, progress: Progress) -> None:
        if self._current is not None and progress.message:
            self.said.emit(progress.message, False)

    def _on_answer(self, answer: Any) -> None:
        asked = self._current
        if isinstance(answer, Doubts):
            answer.tell()
        if asked is not None:
            self.session.hand.when_free(partial(self._hand_on, asked, answer))

    def _hand_on(self, asked: _Asked, answer: Any) -> None:
        if asked.bridge() in self.session.bridges.values():
            asked.then(answer)

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            logging.getLogger(__name__).error("a prompt failed", exc_info=error)
        if self._current is not None or not isinstance(error, UserError):
            self.said.emit(str(error) or type(error).__name__, True)

    def _on_end(self) -> None:
        if self._current is not None:
            self._current = None
            self.busy.emit(False)
            self._start_next()

    # -- looking ahead ----------------------------------------------------------------

    def follow_view(self) -> None:
        """Look ahead where the viewer goes from now on."""
        camera = camera_of(self.session.viewer)
        camera.events.center.connect(self._on_camera)
        camera.events.zoom.connect(self._on_camera)

    def _on_camera(self, event: Any = None) -> None:
        self.view_moved()

    def view_moved(self) -> None:
        """Have the features of the view computed once nobody has asked for a moment.

        Only for an image of which something has been asked: who never prompts pays nothing.
        """
        if self._current is None and self._prompters:
            self._idle.start(IDLE_MS)

    def _look_ahead(self) -> None:
        active = self.session.viewer.layers.selection.active
        bridge = self.session.bridges.get(active)
        if self.runner.running or bridge is None:
            return
        box = view_box(self.session.viewer, bridge.layer)
        try:
            asked = self._asked(bridge, looking_ahead(bridge, box), lambda _: None)
        except UserError:
            return
        ahead = (asked.key, box)
        if asked.key in self._prompters and ahead != self._ahead:
            self._ahead = ahead
            self.runner.start(lambda: self._answer(asked))


@dataclass(frozen=True, slots=True)
class Doubts:
    """What the model said of itself while nobody asked, for the queue of a review."""

    walk: QueueWalk
    review: Review
    found: dict[int, Evidence]

    def tell(self) -> None:
        """Hand it on, on the main thread."""
        self.walk.add_evidence(self.review, self.found)


def looking_ahead(bridge: Bridge, box: Box) -> Question:
    """Compute the features of a view, ask for the doubts of the nuclei in it, look closer."""
    from ...prompts.pointing import looking_closer, usual_diameter

    actions, review = actions_of(bridge), bridge.review
    usual = usual_diameter(review.nuclei)
    rows = actions.walk.lacking(review, box) if actions is not None else []

    def steps(prompter: Prompter) -> Generator[Progress, None, Doubts | None]:
        from ...triage.evidence import evidence_steps

        yield from prompter.prepare(box)
        found: dict[int, Evidence] = {}
        for step in evidence_steps(prompter, rows):
            found |= step.new or {}
            yield step
        yield from looking_closer(prompter, box, usual)
        return Doubts(actions.walk, review, found) if actions is not None and found else None

    return steps
