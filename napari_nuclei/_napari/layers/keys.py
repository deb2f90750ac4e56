"""The keys of a review layer, as actions of napari: its preferences show and change them.

What does it is given to `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from napari.layers import Labels as Base
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import KeyBinding
from napari.utils.shortcuts import default_shortcuts

from .. import PLUGIN
from .review_layer import Labels


@dataclass(frozen=True, slots=True)
class Key:
    """An action and the key that it has by default.

    Attributes
    ----------
    name : str
        Of what it does, in texts and among napari's actions.
    key : str
        As napari writes keys.
    text : str
        What it does.
    """

    name: str
    key: str
    text: str

    @property
    def action(self) -> str:
        """Its name among napari's actions."""
        return f"{PLUGIN}:{self.name}"

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
    Key("reject", "R", "Reject: not a nucleus; its mask stays on record"),
    Key("delete", "Delete", "Delete: remove; only the model's masks stay on record"),
    Key("join", "J", "Join the selected nuclei, or those that a line crosses"),
    Key("split", "S", "Split: draw lines across nuclei"),
    Key("next", "N", "Next nucleus that may need correction"),
    Key("previous", "Shift+N", "Back to the previous one"),
    Key("box", "W", "Box: the model's nucleus in a box that you draw"),
    Key("click", "Q", "Click: the model's nucleus where you click"),
    Key("ghosts", "G", "Show candidates below the threshold; click one to promote it"),
    Key("reading", "T", "Alternatives: two instead of one, larger, smaller"),
    Key("nudge_in", ",", "Move the outline inwards, following the model"),
    Key("nudge_out", ".", "Move the outline outwards"),
    Key("fix_kind", "K", "Fix similar nuclei as the last edit did"),
    Key("escape", "Escape", "Leave the tool; then clear the selection"),
    Key("show_keys", "H", "Show or hide these keys"),
]

TOOLS = [
    ("activate_labels_erase_mode", "eraser"),
    ("activate_labels_paint_mode", "brush"),
    ("activate_labels_polygon_mode", "polygon"),
    ("activate_labels_fill_mode", "fill"),
    ("activate_labels_picker_mode", "pick a label"),
    ("activate_labels_pan_zoom_mode", "pan and zoom"),
]
"""Actions of napari's tools, and what they are."""


def register(calls: Mapping[str, Callable[[Labels], object]]) -> None:
    """Tell napari of the actions and their keys; `calls` do them, by their names."""
    for key in KEYS:
        command = _command(key.name, calls[key.name])
        action_manager.register_action(key.action, command, key.text, Labels)
        for shortcut in key.bound:
            action_manager.bind_shortcut(key.action, shortcut)


def _command(name: str, call: Callable[[Labels], object]) -> Callable[[Labels], None]:
    def command(layer: Labels) -> None:
        call(layer)

    command.__name__ = name
    return command


def of_napari(action: str, default: bool = False) -> list[str]:
    """Return the keys of one of napari's own actions, as a person reads them.

    Keys that are taken by ours do not count. With `default` they are those that napari comes with.
    """
    if action in ("undo", "redo"):  # which its preferences do not know
        bound = [k for k, call in Base.class_keymap.items() if _name(call) == action]
    else:
        known = default_shortcuts if default else get_settings().shortcuts.shortcuts
        bound = list(known.get(f"napari:{action}", ()))
    ours = {str(k) for key in KEYS for k in ([key.key] if default else key.bound)}
    return [str(k) for k in bound if str(k) not in ours]


def _name(call: object) -> str:
    return str(getattr(call, "__name__", ""))


def listed(default: bool = False) -> Iterator[tuple[str, str]]:
    """Yield keys and gestures and what they do, for a person.

    The keys are those that are set now, or with `default` those that everything comes with.
    """
    for key in KEYS:
        if shown := key.key if default else key.shortcut:
            yield shown, key.text

    def first(action: str) -> str:
        return next(iter(of_napari(action, default)), "")

    pan = first("activate_labels_pan_zoom_mode")
    yield "Click", f"with pan and zoom{f' ({pan})' if pan else ''}: select a nucleus"
    yield "Shift + click", "add to the selection, or remove from it"
    yield "Shift + drag", "select all inside a lasso"
    tools = [(first(action), text) for action, text in TOOLS]
    if tools := [(key, text) for key, text in tools if key]:
        yield " ".join(key for key, _ in tools), ", ".join(text for _, text in tools)
    for actions, words, text in (
        (("new_label",), "", "new label: the next stroke adds a nucleus"),
        (("decrease_brush_size", "increase_brush_size"), " and ", "smaller and larger brush"),
    ):
        keys = [first(action) for action in actions]
        if all(keys):
            yield words.join(keys), text
    yield "Page Down, Page Up", "next and previous image of the folder"
    both = ", ".join(filter(None, map(first, ("undo", "redo"))))
    yield both, "undo and redo, across all tools and restarts"


def filled(text: str) -> str:
    """Put the keys as they are set now into a text that names actions in braces.

    An action without a key is called by the name of its button.
    """
    return text.format_map(_Now())


class _Now(dict[str, str]):
    """The keys of actions by their names; those of napari's by what `of_napari` takes."""

    def __missing__(self, name: str) -> str:
        key = next((key for key in KEYS if key.name == name), None)
        shown = key.shortcut if key is not None else next(iter(of_napari(name)), "")
        return shown or f"“{_TITLES.get(name, name.replace('_', ' ').capitalize())}”"


_TITLES = {
    "reading": "Alternatives",
    "ghosts": "Candidates",
    "fix_kind": "Fix similar nuclei",
    "show_keys": "Keys",
}
"""What buttons say, where it is not the action's name."""
