"""`Companions`: what goes with each review layer: its actions, and the outlines by state.

Here: making them when a review layer comes, and taking them away with it. Not here: what they
do (`actions.py`, `outlines.py`), review layers (`session.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .actions import Actions
from .bridge import Bridge
from .outlines import Outlines
from .prompt_actions import Prompts

if TYPE_CHECKING:
    from .session import Session


class Companions:
    """The companions of the review layers of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._outlines: dict[Bridge, Outlines] = {}
        self._outlined = True

    def join(self, bridge: Bridge) -> None:
        """Give a new review layer its companions."""
        bridge.actions = actions = Actions(bridge, self._session.viewer)
        actions.prompts = Prompts(actions, self._session.asking, self._session.viewer)
        actions.told.connect(self._session.hint)
        actions.helped.connect(self._session.ask_for_keys)
        self._show(bridge)

    def leave(self, bridge: Bridge) -> None:
        """Take away what goes with a review layer that is going."""
        if bridge.actions is not None:
            bridge.actions.close()
            bridge.actions = None
        self._hide(bridge)

    # -- outlines ---------------------------------------------------------------------

    @property
    def outlined(self) -> bool:
        """Whether nuclei have outlines by state."""
        return self._outlined

    @outlined.setter
    def outlined(self, shown: bool) -> None:
        self._outlined = shown
        for bridge in self._session.bridges.values():
            self._show(bridge)

    def outlines_of(self, layer: Any) -> Bridge | None:
        """Return the bridge whose outlines a layer shows."""
        return next((b for b, o in self._outlines.items() if o.layer is layer), None)

    def _show(self, bridge: Bridge) -> None:
        """Bring the outlines of a review layer, or take them away, as is wanted."""
        outlines = self._outlines.get(bridge)
        if outlines is not None and outlines.layer in self._session.viewer.layers:
            if not self._outlined:
                self._hide(bridge)
            return
        self._hide(bridge)
        if self._outlined:
            image = self._session.image_of(bridge.layer)
            self._outlines[bridge] = Outlines(bridge, self._session.viewer, image)

    def _hide(self, bridge: Bridge) -> None:
        outlines = self._outlines.pop(bridge, None)
        if outlines is not None:
            outlines.close()
