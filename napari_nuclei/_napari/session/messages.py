"""`Messages`: the line below the button, which is of the image and plane in view, or of none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from napari.layers import Image
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel

from ...images.planes import Plane
from ..layers.source import plane_in_view, shape_of

if TYPE_CHECKING:
    from ..layers.bridge import Bridge
    from .session import Session

Spot = tuple[Image | None, Plane | None]
"""An image and a plane of it; None for the whole of it."""


class Speaker(Protocol):
    """Who works in the background, and says how it goes."""

    @property
    def said(self) -> Any:
        """Qt's signal: a line, and whether it is about a problem."""

    @property
    def spot(self) -> Spot | None:
        """What is being worked on."""


class Messages(QObject):
    """Shows what was said last of the image that is chosen.

    Parameters
    ----------
    label : QLabel
        Where it is shown.
    session : Session
        What is in view.
    chosen : callable
        Returns the image that is chosen.
    """

    _told = Signal(str, bool)

    def __init__(self, label: QLabel, session: Session, chosen: Callable[[], Image | None]) -> None:
        super().__init__(label)
        self._label, self._session, self._chosen = label, session, chosen
        self._kept: WeakKeyDictionary[Image, dict[Plane | None, str]] = WeakKeyDictionary()
        self._of: _Of | None = None
        self._seen: list[_Of] = []  # of a line about nothing in particular: where it has been seen
        # What is told may come from a thread: queued, it arrives on the main one.
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)
        session.told.connect(self._on_problem)
        session.announced.connect(self._on_announced)
        session.hinted.connect(self._on_hint)
        session.viewer.dims.events.current_step.connect(self._on_step)

    def listen(self, *speakers: Speaker) -> None:
        """Show what those who work in the background say."""
        for speaker in speakers:
            speaker.said.connect(partial(self._on_said, speaker))

    @property
    def here(self) -> Spot:
        """The image that is chosen, and its plane in view."""
        image = self._chosen()
        bridge = self._session.bridge_of(image)
        if image is None or bridge is not None:
            return image, None if bridge is None else bridge.plane
        return image, plane_in_view(image, shape_of(image), self._session.viewer.dims.point)

    def _on_said(self, by: Speaker, text: str, problem: bool) -> None:
        self.say(text, problem, by.spot or self.here)

    def _on_problem(self, text: str) -> None:
        self._told.emit(text, True)

    def _on_announced(self, text: str) -> None:
        self._told.emit(text, False)

    def _on_told(self, text: str, here: bool) -> None:
        self.say(text, True, self.here if here else None)

    def _on_hint(self, text: str, bridge: Bridge | None = None) -> None:
        image = None if bridge is None else self._session.image_of(bridge.layer)
        self.say(text, of=(image, bridge.plane) if image is not None and bridge else self.here)

    def _on_step(self, event: Any = None) -> None:
        self.follow()

    def say(self, text: str, problem: bool = False, of: Spot | None = None) -> None:
        """Show a line.

        Parameters
        ----------
        of : Spot, optional
            What it is about. A line about something else than what is in view says so, and is
            not kept; one about nothing in particular stays until the second other image.
        """
        here = self.here
        if of is not None and not _fits(of, here):
            name = "" if of[0] is None else f"“{of[0].name}”"
            is_named = not name or name in text
            text, of = text if is_named or not text else f"{name}: {text}", None
        line = f"⚠ {text}" if problem and text else text
        if of is None:
            self._of, self._seen = None, [_Of(here)]
        else:
            self._keep(of, line)
        self._show(line)

    def follow(self) -> None:
        """Show what there is to say of what has come into view."""
        here = self.here
        if self._of is None:
            if not any(seen.spot[0] is here[0] for seen in self._seen):
                self._seen.append(_Of(here))
            if len(self._seen) <= 2:
                return
        elif _fits(self._of.spot, here):
            return
        self._of = _Of(here)
        self._show(self._line_of(here))

    def _keep(self, of: Spot, line: str) -> None:
        image, plane = of
        self._of = _Of(of)
        if image is None:
            return
        lines = self._kept.setdefault(image, {})
        lines.pop(plane, None)
        if line:
            lines[plane] = line  # the latest comes last

    def _line_of(self, here: Spot) -> str:
        if here[0] is None:
            return ""
        lines = reversed(self._kept.get(here[0], {}).items())
        return next((line for plane, line in lines if _fits((here[0], plane), here)), "")

    def _show(self, line: str) -> None:
        self._label.setText(line)
        self._label.setVisible(bool(line))


class _Of:
    """What a line is about, without keeping the image alive."""

    def __init__(self, spot: Spot) -> None:
        image, self._plane = spot
        self._image = None if image is None else ref(image)

    @property
    def spot(self) -> Spot:
        """The image, None once it is gone, and the plane."""
        return None if self._image is None else self._image(), self._plane


def _fits(of: Spot, here: Spot) -> bool:
    """Whether something is about what is in view."""
    if of[0] is not here[0]:
        return False
    # Planes are counted otherwise before there is a review layer.
    other = of[1] is None or here[1] is None or len(of[1]) != len(here[1])
    return other or of[1] == here[1]
