"""`Engine`: what the widget asks of models. A test puts a fake in its place.

Nothing here touches Qt or napari, and torch is loaded only when something is segmented.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ...images.large_image import LargeImage
from ...masks.box import Box
from ...models.card import Card
from ...progress import Progress
from .llvm import hide_triton_from_mesa

if TYPE_CHECKING:
    from ...models import Detector
    from ...prediction.predict import Prediction
    from ...prompts.feature_cache import FeatureCache, Identity
    from ...prompts.prompter import Prompter

Steps = Generator[Progress, None, "Prediction"]


class Engine(Protocol):
    """Finds nuclei in arrays."""

    def cards(self) -> list[Card]:
        """Return the models that there are, the one in use first."""

    def devices(self) -> list[str]:
        """Return the devices known by now; more may be after a run."""

    def release(self) -> None:
        """Let go of the loaded model, so that another process has the memory."""

    def segment(
        self,
        image: NDArray[Any] | LargeImage,
        model: str,
        device: str,
        diameter: float | None,
        area: Box | None = None,
    ) -> Steps:
        """Find nuclei in (H, W) or (H, W, C), on whatever thread the caller is.

        `diameter` is in px; None has it estimated. `area` is in px too: only what has its
        middle there counts, and no more is looked at than that takes.
        """


class ModelEngine:
    """The engine of the project's own models."""

    def __init__(self) -> None:
        self._devices = ["auto", "cpu"]
        self._loaded: tuple[tuple[str, str, str], Detector] | None = None
        self._lock = threading.Lock()

    def cards(self) -> list[Card]:
        """Return the models that there are, the one in use first."""
        from ...errors import UserError
        from ...models import registry

        cards = registry.cards()
        try:
            current = registry.current().name
        except UserError:
            current = ""
        return sorted(cards, key=lambda card: card.name != current)

    def devices(self) -> list[str]:
        """Return the devices known by now."""
        return self._devices

    def segment(
        self,
        image: NDArray[Any] | LargeImage,
        model: str,
        device: str,
        diameter: float | None,
        area: Box | None = None,
    ) -> Steps:
        """Find nuclei; the first run loads torch and the model."""
        yield Progress(0, 0, "Loading the model")
        detector = self._load(model, device)  # before anything else that imports torch
        from ...prediction.predict import segment_steps

        # The same call as that of the shell and the notebooks.
        return (yield from segment_steps(image, detector, diameter, area=area))

    def release(self) -> None:
        """Let go of the loaded model, so that another process has the memory."""
        self._loaded = None
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def prompter(
        self,
        image: NDArray[Any] | LargeImage,
        model: str,
        device: str,
        diameter: float | None,
        cache: FeatureCache,
        identity: Identity,
    ) -> Generator[Progress, None, Prompter]:
        """Make an image ready to be asked about; `diameter` None has it estimated.

        `identity` names these very pixels in the cache.

        Raises
        ------
        UserError
            If the model answers no prompts.
        """
        yield Progress(0, 0, "Loading the model")
        detector = self._load(model, device)
        from ...errors import UserError
        from ...models.prompting import is_promptable
        from ...prediction.predict import measure_steps
        from ...prompts.prompter import Prompter

        if not is_promptable(detector):
            raise UserError(f"The model {model!r} does not answer prompts: choose another one.")
        if diameter is None:
            _, diameter = yield from measure_steps(LargeImage(image), detector)
        yield Progress(0, 0, "Looking at the image")
        return Prompter(image, detector, diameter, cache, identity=identity)

    def preload(self, model: str, device: str) -> None:
        """Load torch and a model, so that whoever asks for it later need not wait.

        Raises
        ------
        UserError
            If it cannot be loaded.
        """
        self._load(model, device)

    def _load(self, model: str, device: str) -> Detector:
        with self._lock:  # others may be loading it, or another one, on their threads
            hide_triton_from_mesa()
            from ... import models
            from ...models import registry

            key = (model, device, registry.find(model).sha256)
            loaded = self._loaded
            if loaded is None or loaded[0] != key:
                loaded = self._loaded = None  # so that two never lie in a GPU's memory
                loaded = self._loaded = (key, models.load(model, device))
                self._devices = ["auto", *models.devices()]
            return loaded[1]


def read_and_segment(
    engine: Engine,
    read: Callable[[], NDArray[Any] | LargeImage],
    model: str,
    device: str,
    diameter: float | None,
    area: Box | None = None,
) -> Steps:
    """Read the pixels and find their nuclei; the whole of a run off the main thread."""
    yield Progress(0, 0, "Reading the image")
    more = {} if area is None else {"area": area}
    return (yield from engine.segment(read(), model, device, diameter, **more))
