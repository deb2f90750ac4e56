"""Putting a session together with what works on its review layers, from the rooms above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .layers import keys
from .prompts import prompting
from .prompts.prompting import Prompting
from .retrain.retrain_panel import RetrainPanel
from .review import reviewing
from .review.reviewing import Reviewing
from .session.session import Session

if TYPE_CHECKING:
    from napari.viewer import Viewer

_assembled: WeakKeyDictionary[Any, tuple[Reviewing, Prompting]] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer, or of a plugin's proxy of it, with actions and prompts."""
    session = Session.of(viewer)
    if session.viewer not in _assembled:
        actions = Reviewing(session)
        _assembled[session.viewer] = actions, Prompting(session, actions)
    return session


def register_keys() -> None:
    """Tell napari of the keys of review layers, and of what they do."""
    calls = dict(reviewing.ON_KEYS)
    calls |= {name: prompting.on_actions(call) for name, call in prompting.ON_KEYS.items()}
    keys.register({name: reviewing.on_layer(call) for name, call in calls.items()})


def retrain_panel(napari_viewer: Viewer) -> RetrainPanel:
    """Make the dock widget behind the Retrain button."""
    session_of(napari_viewer)
    return RetrainPanel(napari_viewer)
