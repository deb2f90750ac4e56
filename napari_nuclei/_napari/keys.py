"""The keys of a review layer, as actions of napari: its preferences show and change them.

Here: which key does what. Not here: doing it (`actions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import KeyBinding

from .layer import Labels

PACKAGE = "napari-nuclei"


@dataclass(frozen=True, slots=True)
class Key:
    """An action and the key that it has by default.

    Attributes
    ----------
    name : str
        Of the method of `Actions` that does it.
    key : str
        As napari writes keys.
    text : str
        What it does.
    of : str
        The attribute of `Actions` whose method it is; empty for its own.
    """

    name: str
    key: str
    text: str
    of: str = ""

    @property
    def action(self) -> str:
        """Its name among napari's actions."""
        return f"{PACKAGE}:{self.name}"

    @property
    def shortcut(self) -> str:
        """The keys that it has now, as a person reads them; empty if it has none."""
        return " or ".join(str(key) for key in self.bound)

    @property
    def bound(self) -> list[KeyBinding]:
        """The keys that a person has set in the preferences, or else the default."""
        # Never written into the settings: napari would warn of our actions when it starts.
        chosen = get_settings().shortcuts.shortcuts.get(self.action)
        return [KeyBinding.from_str(self.key)] if chosen is None else list(chosen)


KEYS = [
    Key("accept", "A", "Accept the nucleus under the mouse, or the selected ones"),
    Key("reject", "R", "Reject: it is no nucleus"),
    Key("delete", "Delete", "Delete"),
    Key("join", "J", "Join the selected nuclei, or those that a line crosses"),
    Key("split", "S", "Split: draw lines across nuclei"),
    Key("next", "N", "Next nucleus that may need correction"),
    Key("previous", "Shift+N", "Back to the one before"),
    Key("box", "W", "Box: the model's nucleus in the box that you draw", "prompts"),
    Key("click", "Q", "Click: the model's nucleus where you click", "prompts"),
    Key("ghosts", "G", "Show candidates below the threshold; a click takes one", "prompts"),
    Key("reading", "T", "Another reading: two instead of one, larger, smaller", "prompts"),
    Key("nudge_in", ",", "Move the outline in, along the model's own", "prompts"),
    Key("nudge_out", ".", "Move the outline out", "prompts"),
    Key("fix_kind", "K", "Fix all of this kind, as the last edit did", "prompts"),
    Key("escape", "Escape", "Put the tool down; then select nothing"),
    Key("show_keys", "H", "Show or hide these keys"),
]

NAPARI = [
    ("Click", "with pan and zoom (7): select a nucleus"),
    ("Shift + click", "add to the selection, or take away from it"),
    ("Shift + drag", "select all in a lasso"),
    ("1 2 3 4 5 6 7", "eraser, brush, polygon, fill, pick, transform, pan and zoom"),
    ("M", "new label: the next stroke adds a nucleus"),
    ("L", "pick the label that you click on"),
    ("[ and ]", "smaller and larger brush"),
    ("Page Down, Page Up", "next image of the folder, and the one before"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo and redo, across all tools and restarts"),
]
"""Mouse and keys that are worth knowing besides."""


def register() -> None:
    """Tell napari of the actions and their keys."""
    for key in KEYS:
        action_manager.register_action(key.action, _command(key), key.text, Labels)
        for shortcut in key.bound:
            action_manager.bind_shortcut(key.action, shortcut)


def _command(key: Key) -> Callable[[Labels], None]:
    def command(layer: Labels) -> None:
        actions: Any = getattr(layer.owner, "actions", None)
        if actions is not None and key.of:
            actions = getattr(actions, key.of)
        if actions is not None:
            getattr(actions, key.name)()

    command.__name__ = key.name
    return command


def listed() -> Iterator[tuple[str, str]]:
    """Yield keys as they are set now and what they do, for a person."""
    yield from ((key.shortcut, key.text) for key in KEYS if key.shortcut)
    yield from NAPARI
