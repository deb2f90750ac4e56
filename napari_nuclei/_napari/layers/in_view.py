"""Whether a review layer's plane is in view, as keys and tools need it to be."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from napari.viewer import Viewer

Method = TypeVar("Method", bound=Callable[..., None])

SELECT = "Keys and tools work on the nuclei once “{}” is selected: click it in the layer list."
HIDDEN = "“{}” is hidden: click its eye in the layer list, then keys and tools work on its nuclei."
SOLID = (
    "Nuclei are corrected plane by plane: leave the 3D view (a button below the layer list), then "
    "keys and tools work again."
)
ACROSS = (
    "The view cuts across the planes: roll the axes back (a button below the layer list), then "
    "keys and tools work again."
)


def why_not(viewer: Viewer | None, layer: Any) -> str:
    """Return why nothing can be done to the nuclei of a layer at present; empty if it can."""
    if viewer is None:
        return ""
    if not layer.visible:
        return HIDDEN.format(layer.name)
    return across(viewer)


def reach(viewer: Viewer, layer: Any) -> str:
    """Return what to click so that keys work on a review layer; empty if they do."""
    if viewer.layers.selection.active is not layer:
        return SELECT.format(layer.name)
    return why_not(viewer, layer)


def across(viewer: Viewer) -> str:
    """Return why the planes of an image are not what is in view; empty if they are."""
    dims = viewer.dims
    if dims.ndisplay != 2:
        return SOLID
    # Turned within its plane (x down, y across) it is still the same plane.
    return "" if set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1} else ACROSS


def needs_view(method: Method) -> Method:
    """Have a method of something with `in_view()` do nothing where that says no."""

    @wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.in_view():
            method(self, *args, **kwargs)

    return cast(Method, wrapped)
