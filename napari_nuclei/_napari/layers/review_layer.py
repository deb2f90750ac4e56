"""`Labels`: napari's Labels layer, tied to a review."""

from __future__ import annotations

from typing import Any, Protocol

from napari import layers
from napari.utils.key_bindings import KeyBinding

from .viewport import Viewport


class Owner(Protocol):
    """Who keeps the truth that the layer shows."""

    def undo(self) -> Any:
        """Take the last change back."""

    def redo(self) -> Any:
        """Do the last undone change again."""

    def settle(self) -> None:
        """Draw once more what the last stroke touched."""

    def begin(self, label: int) -> bool:
        """Take note of what is being painted with; returns whether it may be."""


class Labels(layers.Labels):
    """A view of nuclei that are under review.

    Notes
    -----
    Its name has to be that of its base: napari takes the layer's type from the class name.
    """

    owner: Owner | None = None
    """Where undo and redo go; with None the layer is like any other."""

    viewport: Viewport | None = None
    """The part of its image that the layer holds; None where nobody has said."""

    suspended: bool = False
    """Whether the mouse is doing something else than napari's tool would make of it."""

    def undo(self) -> None:
        """Take the last change of the nuclei back."""
        if self.owner is None:
            super().undo()
        else:
            self.owner.undo()

    def redo(self) -> None:
        """Do the last undone change of the nuclei again."""
        if self.owner is None:
            super().redo()
        else:
            self.owner.redo()

    # Called by themselves, these tell of the pixels first and write them afterwards.

    def paint(self, coord: Any, new_label: int, *args: Any, **kwargs: Any) -> None:
        """Paint with the brush; see napari."""
        if self._begin(new_label):
            super().paint(coord, new_label, *args, **kwargs)
            self._settle()

    def fill(self, coord: Any, new_label: int, *args: Any, **kwargs: Any) -> None:
        """Fill an area; see napari."""
        if self._begin(new_label):
            super().fill(coord, new_label, *args, **kwargs)
            self._settle()

    def paint_polygon(self, points: Any, new_label: int, *args: Any, **kwargs: Any) -> None:
        """Paint a polygon; see napari."""
        if self._begin(new_label):
            super().paint_polygon(points, new_label, *args, **kwargs)
            self._settle()

    def data_setitem(self, *args: Any, **kwargs: Any) -> None:
        """Set single pixels; see napari."""
        super().data_setitem(*args, **kwargs)
        self._settle()

    def give_up(self) -> None:
        """Do what Escape does on any Labels layer: end a polygon or an encircling under way."""
        escape = layers.Labels.class_keymap.get(KeyBinding.from_str("Escape"))
        if escape is not None:
            escape(self)

    def _begin(self, label: int) -> bool:
        return not self.suspended and (self.owner is None or self.owner.begin(label))

    def _settle(self) -> None:
        if self.owner is not None:
            self.owner.settle()


def set_pixels(layer: layers.Labels, at: Any, values: Any) -> None:
    """Set single pixels of a layer, also where napari is about to read what it shows.

    With ``NAPARI_ASYNC`` that comes later: until then there is no picture to set them in.
    """
    if layer.loaded and not getattr(layer._slice, "empty", False):
        layer.data_setitem(at, values)
    else:
        layer.data[at] = values
        layer.refresh(extent=False)


def give_to(layer: layers.Labels, owner: Owner | None) -> None:
    """Tie a layer to an owner, or with None set it free.

    The layer's class is changed, so that a layer that napari has made (of a file, or as a
    copy) stays itself: its place in the list, its name, and everybody's references to it.
    """
    layer.__class__ = Labels
    layer.owner = owner


def is_review(layer: object) -> bool:
    """Whether a layer is a view of nuclei under review."""
    return isinstance(layer, Labels) and layer.owner is not None
