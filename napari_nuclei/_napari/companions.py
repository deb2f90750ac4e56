"""`Companions`: what goes with each review layer: actions, outlines by state, a moving pane.

Here: making them when a review layer comes, and taking them away with it. Not here: what they
do (`actions.py`, `outlines.py`), review layers (`session.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .actions import Actions
from .bridge import Bridge
from .outlines import Outlines
from .pane import is_large
from .pane_follower import PaneFollower
from .prompt_actions import Prompts

if TYPE_CHECKING:
    from .session import Session


class Companions:
    """The companions of the review layers of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._outlines: dict[Bridge, Outlines] = {}
        self._followers: dict[Bridge, PaneFollower] = {}
        self._outlined = True

    def join(self, bridge: Bridge) -> None:
        """Give a new review layer its companions."""
        bridge.actions = actions = Actions(bridge, self._session.viewer)
        actions.prompts = Prompts(actions, self._session.asking, self._session.viewer)
        actions.told.connect(lambda text: self._session.hint(text, bridge))
        actions.helped.connect(self._session.ask_for_keys)
        if is_large(bridge.pane.whole):
            follower = PaneFollower(bridge, self._session.viewer, self._session.hint)
            self._followers[bridge] = follower
        self._show(bridge)

    def leave(self, bridge: Bridge) -> None:
        """Take away what goes with a review layer that is going."""
        if bridge.actions is not None:
            bridge.actions.close()
            bridge.actions = None
        follower = self._followers.pop(bridge, None)
        if follower is not None:
            follower.close()
        self._hide(bridge)

    def follower_of(self, bridge: Bridge) -> PaneFollower | None:
        """Return what moves the pane of a review layer; None where it holds all."""
        return self._followers.get(bridge)

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
            self._outlines[bridge] = Outlines(bridge, self._session.viewer)

    def _hide(self, bridge: Bridge) -> None:
        outlines = self._outlines.pop(bridge, None)
        if outlines is not None:
            outlines.close()
