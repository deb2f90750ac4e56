"""Putting layers into a viewer's list and taking them out, so that the person notices nothing."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from .camera import canvases

if TYPE_CHECKING:
    from napari.viewer import Viewer


def insert(viewer: Viewer, place: int, layer: Any) -> None:
    """Insert a layer; what was selected stays so, and a name that is being typed goes on.

    napari selects what is inserted. That is undone before anybody hears of it: each change of
    the selection ends the editing of a layer's name.
    """
    for old in [x for x in _leaving.get(viewer, ()) if x.name == layer.name]:
        _remove(viewer, old)  # or the new one would be numbered
    selection = viewer.layers.selection
    chosen, active = set(selection), selection.active
    with selection.events.blocker_all():
        viewer.layers.insert(place, layer)
        if active is not None:
            selection.active = active
        else:
            selection.clear()
            selection.update(chosen)


_leaving: weakref.WeakKeyDictionary[Any, deque[Any]] = weakref.WeakKeyDictionary()
_turning: weakref.WeakSet[Any] = weakref.WeakSet()


def remove_soon(viewer: Viewer | None, layer: Any) -> None:
    """Remove a layer in a turn of the event loop of its own, after a redraw.

    So a removal that is under way is over by then: napari's own removes what is selected one by
    one, and fails where one has gone meanwhile. And napari crashes on software OpenGL where two
    Labels layers go between two redraws.
    """
    if viewer is None or layer is None or layer not in viewer.layers:
        return
    if viewer in _turning:
        viewer.layers.remove(layer)
        return
    waiting = _leaving.setdefault(viewer, deque())
    waiting.append(layer)
    if len(waiting) == 1:
        _remove_next(weakref.ref(viewer))


@contextmanager
def turning(viewer: Viewer) -> Iterator[None]:
    """Put one image in the place of another: what goes goes at once, or it would be seen there."""
    _turning.add(viewer)
    try:
        yield
    finally:
        _turning.discard(viewer)


def _remove_next(of: weakref.ref[Any]) -> None:
    def remove() -> None:
        viewer = of()
        waiting = _leaving.get(viewer) if viewer is not None else None
        if not waiting:
            return
        for canvas in canvases():
            canvas.repaint()
        _remove(viewer, waiting.popleft())
        if waiting:
            _remove_next(of)

    QTimer.singleShot(0, remove)


def _remove(viewer: Viewer, layer: Any) -> None:
    if layer in viewer.layers:
        viewer.layers.remove(layer)


_below: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def lies_on(layer: Any, over: Any) -> None:
    """Take note that a layer shows something of a review layer."""
    _below[layer] = weakref.ref(over)


_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def select_apart(viewer: Viewer) -> None:
    """Have layers that lie on a review layer leave the selection when that one is selected too.

    They go along with it. Removed with it in one turn of the event loop, between two redraws, they
    would bring napari down on software OpenGL: see `remove_soon`.
    """
    if viewer in _watched:
        return
    _watched.add(viewer)
    selection = viewer.layers.selection

    def leave(event: Any = None) -> None:
        extra = [layer for layer in selection if below(layer) in selection]
        if extra:
            selection.difference_update(extra)

    selection.events.changed.connect(leave)


def below(layer: Any) -> Any:
    """Return the review layer that a layer was made to lie on; None if it is no such layer."""
    over = None if layer is None else _below.get(layer)
    return None if over is None else over()
