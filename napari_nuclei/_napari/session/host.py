"""`Host`: what the parts of a session need of it; `PromptService`: who asks the detector."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari.layers import Image
from psygnal import SignalInstance

from ...progress import Progress
from ..layers.bridge import Bridge
from ..layers.record import Record

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Teller(Protocol):
    """Who opens reviews and speaks to the person."""

    def tell(self, text: str) -> None:
        """Tell the person something; from any thread."""

    def held(self) -> set[Path]:
        """Return the journals that are open for its own layers."""


class Host(Teller, Protocol):
    """The reviews of one viewer, for those who help to keep them."""

    @property
    def viewer(self) -> Viewer:
        """The viewer itself."""

    @property
    def bridges(self) -> Mapping[Any, Bridge]:
        """The review layers that are in the viewer now."""

    @property
    def changed(self) -> SignalInstance:
        """Something that is shown of the reviews has changed."""

    def hint(self, text: str, bridge: object = None) -> None:
        """Tell the person about what they are doing."""

    def bridge_of(self, image: Image | None) -> Bridge | None:
        """Return the bridge of an image's review layer, if it is in the viewer."""

    def record_of(self, image: Image | None) -> Record | None:
        """Return the record of an image's nuclei, whether or not a layer shows it."""

    def record_for(self, image: Image, shape: tuple[int, ...]) -> Record | None:
        """Return the record of an image for a review layer of this shape."""

    def look_again(self, image: Image) -> Bridge | None:
        """Go on with a review that has been found by now."""


class PromptService(Protocol):
    """Who asks the model that is chosen about a review layer."""

    @property
    def model(self) -> str:
        """Its name; empty where there is none."""

    def knows(self, model: str) -> bool:
        """Whether there is a model of this name."""

    def ask(
        self,
        bridge: Bridge,
        question: Callable[[Any], Generator[Progress, None, Any]],
        then: Callable[[Any], None],
    ) -> None:
        """Put a question about the plane in view; `then` gets the answer."""
