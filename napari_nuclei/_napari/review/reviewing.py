"""`Reviewing`: each review layer of a session has its actions, which its keys and buttons call."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from weakref import WeakKeyDictionary

from psygnal import Signal

from ..layers.bridge import Bridge
from ..layers.review_layer import Labels
from ..session.session import Session
from .actions import Actions

ON_KEYS: Mapping[str, Callable[[Actions], object]] = {
    "accept": Actions.accept,
    "reject": Actions.reject,
    "delete": Actions.delete,
    "join": Actions.join,
    "split": Actions.split,
    "next": Actions.next,
    "previous": Actions.previous,
    "escape": Actions.escape,
    "show_keys": Actions.show_keys,
}
"""What keys of a review layer do here, by their names in `keys.KEYS`."""

_actions: WeakKeyDictionary[object, weakref.ref[Actions]] = WeakKeyDictionary()


def actions_of(bridge: object) -> Actions | None:
    """Return the actions of a review layer, by its bridge; None where it has none."""
    found = None if bridge is None else _actions.get(bridge)
    return None if found is None else found()


def on_layer(call: Callable[[Actions], object]) -> Callable[[Labels], None]:
    """Return what does something with the actions of a layer that is given to it."""

    def command(layer: Labels) -> None:
        actions = actions_of(layer.owner)
        if actions is not None:
            call(actions)

    return command


class Reviewing:
    """The actions of the review layers of one session, those that are there already included.

    Attributes
    ----------
    added, removing : Signal
        Actions, which have come with their layer, or are about to go with it.
    """

    added = Signal(object)
    removing = Signal(object)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._of: dict[Bridge, Actions] = {}
        session.bridge_added.connect(self._on_added)
        session.bridge_removing.connect(self._on_removing)
        session.view_changed.connect(self._on_view)
        for bridge in session.bridges.values():
            self._on_added(bridge)

    def __iter__(self) -> Iterator[Actions]:
        return iter(list(self._of.values()))

    def _on_added(self, bridge: Bridge) -> None:
        session, hand = self._session, self._session.hand
        actions = Actions(bridge, session.viewer, lambda: hand.position)
        self._of[bridge] = actions
        _actions[bridge] = weakref.ref(actions)
        actions.told.connect(partial(_hint, session, bridge))
        actions.helped.connect(session.ask_for_keys)
        self.added.emit(actions)

    def _on_removing(self, bridge: Bridge) -> None:
        actions = self._of.pop(bridge, None)
        if actions is not None:
            self.removing.emit(actions)
            actions.close()
            del _actions[bridge]

    def _on_view(self) -> None:
        for actions in self:
            actions.look_again()


def _hint(session: Session, bridge: Bridge, text: str) -> None:
    session.hint(text, bridge)
