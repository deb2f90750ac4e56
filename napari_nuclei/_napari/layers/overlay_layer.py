"""`OverlayLayer`: a layer that shows something of a review layer, and that nobody can edit.

Its colours are those of the few values that its pixels have: states of nuclei, or one for all.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils import DirectLabelColormap

from .layer_list import insert, lies_on, remove_soon, select_apart
from .source import GEOMETRY, follow

if TYPE_CHECKING:
    from napari.viewer import Viewer


class OverlayLayer:
    """A layer over a review layer, which comes when this is made.

    Parameters
    ----------
    viewer : Viewer
        That it comes into.
    over : Labels
        The review layer. This one has its place in the world from the start: napari warns of
        layers whose units do not agree.
    shape : sequence of int
        Of its pixels.
    name : str
        Its name.
    colors : mapping of int to str
        Of its values; what is not in it is not seen.
    opacity : float
        How much it covers.
    beneath : bool
        Whether it comes right below the review layer, to be placed by whoever made it, and not
        right above, where it keeps to that.

    Attributes
    ----------
    layer : Labels
        The layer itself.
    """

    def __init__(
        self,
        viewer: Viewer,
        over: Any,
        shape: Sequence[int],
        name: str,
        colors: Mapping[int, str],
        opacity: float = 1.0,
        beneath: bool = False,
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self.layer = Labels(
            np.zeros(shape, np.uint8),
            name=name,
            colormap=DirectLabelColormap(color_dict=_seen(colors)),
            opacity=opacity,
            **{name: getattr(over, name) for name in GEOMETRY},
        )
        self._hold_still()
        lies_on(self.layer, over)
        select_apart(viewer)
        insert(viewer, viewer.layers.index(over) + (not beneath), self.layer)
        if not beneath:
            follow(over, self.layer)

    @property
    def is_shown(self) -> bool:
        """Whether it is in the viewer: a person may have removed it."""
        viewer = self._viewer()
        return viewer is not None and self.layer in viewer.layers

    def fit(self, shape: tuple[int, ...]) -> None:
        """Have pixels of another shape, all empty, if it is another one."""
        if self.layer.data.shape != shape:
            self.layer.data = np.zeros(shape, np.uint8)
            self._hold_still()

    def refresh(self) -> None:
        """Show what was drawn."""
        self.layer.refresh(extent=False)

    def remove(self) -> None:
        """Take it out of the viewer."""
        remove_soon(self._viewer(), self.layer)

    def _hold_still(self) -> None:
        """Have the mouse move the view over it and change nothing; again after new data."""
        self.layer.editable = False
        self.layer.mouse_pan = True


def _seen(colors: Mapping[int, str]) -> dict[int | None, str]:
    return {None: "transparent", 0: "transparent"} | dict(colors)
