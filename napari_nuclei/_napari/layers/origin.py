"""`Origin`: of which file, plane and channel a plane of an image layer is.

Layers are read here and never changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from napari.layers import Image

from ...images.images import is_zarr
from ...images.layout import CHANNEL, Layout, layout_of, plane_number, shown_axes
from ...images.planes import Plane
from ...journal.about import About, about
from ...journal.fingerprint import Fingerprint, digest_of_pixels
from ...journal.naming import channels_of_part
from ...journal.place import begun, find, part_of
from .known_by import is_equal, known_at
from .made_of import files_of
from .record import number_of
from .source import Channels, shape_of


@dataclass(frozen=True, slots=True)
class Address:
    """Where the review of a plane belongs.

    Attributes
    ----------
    path : Path or None
        The image file; None where the pixels come from none.
    plane : tuple of int
        Which plane of it; () where there is but one.
    part : str
        Which part of the plane; see `journal/naming.py`.
    older : tuple of (Path, tuple of int)
        Files and planes by which it was called before parts and stacks of files were told apart.
    stack : tuple of int
        How many planes the file has along each of its axes.
    at : tuple of int
        Where along these axes the plane lies.
    """

    path: Path | None
    plane: Plane = ()
    part: str = ""
    older: tuple[tuple[Path, Plane], ...] = ()
    stack: tuple[int, ...] = ()
    at: tuple[int, ...] = ()

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of the file that it is of; () for all."""
        return channels_of_part(self.part)


class Origin:
    """Where the planes of a review layer come from.

    Parameters
    ----------
    shape : tuple of int
        Of the review layer: (…, H, W).
    file : Path or None
        The image's file, as its layer says; the first one of a stack.
    image : Image, optional
        The layer; without one, all of the file is taken to be shown.
    siblings : callable, optional
        Returns all image layers of the same file, in their order.
    channels : tuple of int
        Which channels are shown, where there is no layer to tell it; () for all.
    """

    def __init__(
        self,
        shape: Sequence[int],
        file: Path | None,
        image: Image | None = None,
        siblings: Callable[[], list[Image]] = list,
        channels: tuple[int, ...] = (),
    ) -> None:
        self.shape = tuple(shape)
        self.file = file
        if file is not None and file.is_dir() and not is_zarr(file):
            inside = [p for p in file.iterdir() if p.is_file()]
            self.file = inside[0] if len(inside) == 1 else file
        self._image = image
        self._siblings = siblings
        self._channels = channels
        self._full = self.shape if image is None else shape_of(image)
        self._skip = len(self._full) - len(self.shape)

    def address(self, plane: Plane) -> Address:
        """Return where the review of a plane belongs."""
        if self.file is None:
            return Address(None, self._number(plane))
        at = (None,) * self._skip + plane
        at = tuple(None if self._is_joined(k) else i for k, i in enumerate(at))
        if self.files is None:
            return self._in_file(self.file, 0, at, plane)
        path = self.files[at[0]] if at and at[0] is not None else None
        if path is None:  # of no one file that can be told: known by its pixels
            return Address(None, self._number(plane))
        found = self._in_file(path, 1, at, plane)
        older = (*found.older, (self.file, self._number(plane)))
        return Address(path, found.plane, found.part, older, found.stack, found.at)

    @cached_property
    def files(self) -> list[Path | None] | None:
        """The files that a stack was made of, one for each index of its first axis; else None."""
        assert self.file is not None
        if self._image is None or self._full_axes(self.file, 0) is not None:
            return None
        found = files_of(self._image)
        if found is None and self.file.is_dir() and not is_zarr(self.file):
            return [None] * max(1, self._full[0])
        return found

    def _is_joined(self, axis: int) -> bool:
        """Whether a review layer has one entry for all of an axis, as for that of the channels."""
        k = axis - self._skip
        return k < 0 or (self.shape[k] == 1 and self._full[axis] > 1)

    def _number(self, plane: Plane) -> Plane:
        stack = self.shape[:-2]
        return (number_of(plane, stack),) if math.prod(stack) > 1 else ()

    def _full_axes(self, path: Path, skip: int) -> str | None:
        layout = layout_of(path)
        if layout is None:
            return None
        return shown_axes(layout, self._full[skip:-2], (self._full[-2], self._full[-1]))

    def _in_file(self, path: Path, skip: int, at: Sequence[int | None], plane: Plane) -> Address:
        layout, axes = layout_of(path), self._full_axes(path, skip)
        own = self._number(plane) if not skip else ()
        if layout is None:
            return Address(path, own, *self._unknown_part(path, own))
        if axes is None:
            return Address(path, own, self._pixel_part, ((path, own),))
        place = {a: i for a, i in zip(axes, at[skip:], strict=True) if a != "1"}
        whole = any(i is None and a != CHANNEL for a, i in place.items())  # of planes together
        number = plane_number(layout, "".join(place), [i or 0 for i in place.values()])
        key: Plane = (number,) if layout.planes > 1 and not whole else ()
        part, older = self._part_in(path, layout, axes, at[skip:], own, key)
        inside = tuple(int(i) for i in np.unravel_index(number, layout.stack or (1,)))
        return Address(path, key, part, older, layout.stack, inside)

    def _part_in(
        self,
        path: Path,
        layout: Layout,
        axes: str,
        at: Sequence[int | None],
        own: Plane,
        key: Plane,
    ) -> tuple[str, tuple[tuple[Path, Plane], ...]]:
        if CHANNEL in axes:
            channel = at[axes.index(CHANNEL)]
            # A review layer that lies over all channels is of the whole plane.
            return ("", ()) if channel is None else (f"c{channel}", ((path, own),))
        if self._image is None:
            return part_of(path, key, self._channels), ()
        if self._image.rgb or layout.channels == 1:
            return "", ()
        part = self._channel_part(path, layout)
        return part, ((path, key),) if part else ()

    def seen(self, channels: Channels) -> tuple[int, ...]:
        """Return which channels of its file a choice of a layer's channels takes; () for all."""
        if self._image is None or channels.axis is None or channels.index is None:
            return ()
        if channels.axis < 0:  # a colour
            return (channels.index,)
        path = self.file if self.file is not None and self.files is None else None
        axes = None if path is None else self._full_axes(path, 0)
        is_channel = axes is not None and axes[channels.axis] == CHANNEL
        return (channels.index,) if is_channel else ()

    # -- one of several layers of a file ----------------------------------------------

    def _unknown_part(self, path: Path, plane: Plane) -> tuple[str, tuple[tuple[Path, Plane], ...]]:
        """Tell layers of a file that cannot be read here apart: by their pixels."""
        several = len(self._siblings()) > 1
        known = [part for at, part in begun(path) if at == plane]
        if self._image is None or not (known or several):
            return "", ()
        found = find(path, plane) if self._pixel_part not in known else None
        said = None if found is None else about(found)
        if said is None:
            return (self._pixel_part if known or several else ""), ()
        if said.part is None and several:  # it does not say which of them is meant
            return self._pixel_part, ((path, plane),)
        same = said.pixels in ("", self._digest)
        return ("" if same or (not several and _has_changed(path, said)) else self._pixel_part), ()

    @cached_property
    def pixels(self) -> str:
        """Hash of the first plane's pixels, where the file alone does not say what is shown."""
        if self._image is None or self.file is None or layout_of(self.file) is not None:
            return ""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        assert self._image is not None
        return digest_of_pixels(known_at(self._image, self.shape, (0,) * (len(self.shape) - 2)))

    @property
    def _pixel_part(self) -> str:
        return f"p{self._digest[:8]}" if self._image is not None else ""

    def _channel_part(self, path: Path, layout: Layout) -> str:
        """Tell which channel of a file a layer shows that has no axis of channels."""
        found = self._equal_channels
        if not found:
            # Colours that a reader has made gray are of the whole image; a channel is not.
            gray = layout.colours > 1 and len(self._siblings()) < 2
            return "" if gray else self._pixel_part
        layers = self._siblings()
        at = next((k for k, layer in enumerate(layers) if layer is self._image), 0)
        return f"c{at if at in found else found[0]}"

    @cached_property
    def _equal_channels(self) -> list[int]:
        """The channels of the file that have the pixels of the layer's first plane."""
        path = self.file if self.files is None else self.files[0]
        layout = None if path is None else layout_of(path)
        if path is None or layout is None or self._image is None:
            return []
        own = known_at(self._image, self.shape, (0,) * (len(self.shape) - 2))
        plane = 0 if layout.planes > 1 else None
        return [k for k in range(layout.channels) if is_equal(path, plane, k, own, self._full)]


def _has_changed(path: Path, said: About) -> bool:
    now = Fingerprint.of(path, digest=False)
    return said.image is not None and not said.image.looks_like(now)
