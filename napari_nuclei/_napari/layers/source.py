"""What of an image layer is segmented: a plane, its channels, its place in the world.

Layers are read here and never changed.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...errors import UserError
from ...images.large_image import WHOLE, LargeImage
from ...images.planes import Plane
from .drawing import linear_of
from .lazy_layers import LazyPlane
from .viewport import is_large, to_image

MAX_CHANNELS = 8
"""Longest axis that is offered as channels."""

GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a review layer takes over from its image layer."""


@dataclass(frozen=True, slots=True)
class Channels:
    """A choice of channels.

    Attributes
    ----------
    label : str
        For a person.
    axis : int or None
        The axis of the channels; None if the image has none, -1 for RGB.
    index : int or None
        One of them; None takes the first three together.
    """

    label: str
    axis: int | None = None
    index: int | None = None


def channel_choices(image: Image) -> list[Channels]:
    """Return the choices that a layer offers; the first one is the default."""
    if image.rgb:
        names = ("red", "green", "blue")
        return [Channels("RGB", -1), *(Channels(n, -1, i) for i, n in enumerate(names))]
    choices = [Channels("the plane in view" if image.ndim > 2 else "gray")]
    for axis, length in enumerate(shape_of(image)[:-2]):
        if not 2 <= length <= MAX_CHANNELS:
            continue
        name = "" if image.ndim == 3 else f"axis {axis}, "
        choices += [Channels(f"{name}channel {i}", axis, i) for i in range(length)]
        together = "all channels" if length <= 3 else "channels 0–2"
        choices.append(Channels(f"{name}{together}", axis))
    return choices


def shapes_of(image: Image) -> list[tuple[int, ...]]:
    """Return the shapes of review layer that a layer's choices of channels lead to."""
    full = shape_of(image)
    axes = [c.axis for c in channel_choices(image) if c.axis is not None and c.axis >= 0]
    joined = [full[1:] if a == 0 else (*full[:a], 1, *full[a + 1 :]) for a in axes]
    return list(dict.fromkeys([full, *joined]))


def shape_of(image: Image) -> tuple[int, ...]:
    """Return the layer's full size, without the colour axis of RGB."""
    data = image.data[0] if image.multiscale else image.data
    return tuple(int(n) for n in data.shape[: image.ndim])


@dataclass(frozen=True, slots=True)
class Source:
    """One plane of an image layer, ready to be read on another thread.

    Attributes
    ----------
    image : napari.layers.Image
        The layer.
    shape : tuple of int
        Of the review layer: the image's own, without the axis of its channels.
    plane : Plane
        The plane in the review layer.
    channels : Channels
        Those that are read.
    read : callable
        Returns the pixels, (H, W) or (H, W, C), or of a large plane what reads them in
        parts. Touches no layer.
    """

    image: Image
    shape: tuple[int, ...]
    plane: Plane
    channels: Channels
    read: Callable[[], NDArray[Any] | LargeImage]


def source_of(
    image: Image, channels: Channels, point: Sequence[float], plane: Plane | None = None
) -> Source:
    """Choose what is segmented.

    Parameters
    ----------
    image : napari.layers.Image
        Of any number of dimensions; the last two are y and x.
    channels : Channels
        One of `channel_choices`.
    point : sequence of float
        A point of the plane in view, in world coordinates (`viewer.dims.point`).
    plane : Plane, optional
        Another plane of the review layer than that in view.

    Raises
    ------
    UserError
        If the layer is not an image with two dimensions or more.
    """
    full = shape_of(image)
    if len(full) < 2 or min(full) < 1:
        raise UserError(f"“{image.name}” has no pixels in two dimensions: choose another image.")
    shape, axis = list(full), channels.axis
    if axis is not None and axis >= 0:
        shape[axis] = 1
    if axis == 0:
        shape = shape[1:]  # napari repeats a layer along the leading axes that it lacks
    lead = len(full) - len(shape)
    at = list(plane_in_view(image, full, point))
    if plane is not None:
        at[lead:] = [i if n == 1 else k for i, k, n in zip(at[lead:], plane, shape, strict=False)]
    index: list[Any] = [*at, slice(None), slice(None)]
    if axis is not None and axis >= 0:
        several = slice(0, min(3, full[axis]))
        index[axis] = several if channels.index is None else channels.index
    if image.rgb:
        index.append(slice(0, 3) if channels.index is None else channels.index)
    plane = tuple(0 if n == 1 else at[k + lead] for k, n in enumerate(shape[:-2]))
    levels = list(image.data) if image.multiscale else [image.data]
    first = channels.axis is not None and channels.axis >= 0 and channels.index is None
    in_memory = isinstance(levels[0], np.ndarray) and not is_large(full)
    whole = in_memory or full[-2] * full[-1] <= WHOLE

    def read() -> NDArray[Any] | LargeImage:
        if not whole:
            y = len(full) - 2
            planes = [LazyPlane(a, _at_level(index, full, a.shape, y), y, first) for a in levels]
            return LargeImage(planes)
        pixels = np.asarray(levels[0][tuple(index)])
        return np.moveaxis(pixels, 0, -1) if first else pixels

    return Source(image, tuple(shape), plane, channels, read)


def _at_level(index: Sequence[Any], full: Sequence[int], shape: Sequence[int], y: int) -> list[Any]:
    """Return what is taken of a coarser level, whose stack may have fewer planes too."""
    lead = [
        i * m // n if isinstance(i, int) else i
        for i, n, m in zip(index[:y], full[:y], shape[:y], strict=True)
    ]
    return [*lead, *index[y:]]


def plane_in_view(layer: Any, shape: Sequence[int], point: Sequence[float]) -> Plane:
    """Return the indices of the plane that a world point lies in, along all axes but two."""
    if len(shape) == 2:
        return ()
    here = np.zeros(layer.ndim)
    n = min(len(point), layer.ndim)
    here[layer.ndim - n :] = np.asarray(point, float)[len(point) - n :]
    index = np.round(to_image(layer, here)[:-2]).astype(int)
    return tuple(int(min(max(i, 0), n - 1)) for i, n in zip(index, shape, strict=False))


def geometry_of(image: Image, shape: Sequence[int], origin: Sequence[int] = ()) -> dict[str, Any]:
    """Return what puts a review layer of this shape where its image lies.

    `origin` is the first px of what the layer holds of it.

    An axis of channels, of which the review layer has but one entry, is made as thick as all
    channels together, so that the nuclei are seen over each of them.
    """
    full = shape_of(image)
    lead = len(full) - len(shape)
    affine = np.array(image.affine.affine_matrix)
    keep = [*range(lead, len(full)), len(full)]
    scale, offset = np.array(image.scale[lead:], float), np.zeros(len(full))
    for axis, n in enumerate(shape):
        if n == 1 and full[axis + lead] > 1:
            offset[axis + lead] = (full[axis + lead] - 1) / 2
            scale[axis] *= full[axis + lead]
    offset[lead:] += np.asarray(origin, float) if len(origin) else 0.0
    moved = np.array(image.translate, float)
    if offset.any():
        moved += linear_of(image) @ offset
    return {
        "scale": scale,
        "translate": moved[lead:],
        "rotate": np.array(image.rotate)[lead:, lead:],
        "shear": np.array(image.shear) if not lead else _shear_of(image, lead),
        "affine": affine[np.ix_(keep, keep)],
        "units": image.units[lead:],
    }


def _shear_of(image: Image, lead: int) -> NDArray[Any]:
    """Return the shear of the last axes: the upper triangle, row by row."""
    n = image.ndim
    rows, cols = np.triu_indices(n, 1)
    shear = np.asarray(image.shear, float)
    if shear.ndim == 2:
        return shear[lead:, lead:]
    return shear[(rows >= lead) & (cols >= lead)]


def follow(image: Image, layer: Any, moved: Callable[[], object] | None = None) -> None:
    """Put a review layer where its image lies, and keep it there.

    With `moved` it also comes back when somebody moves it alone, which this is told.
    """
    leader, target = weakref.ref(image), weakref.ref(layer)
    moving = False

    def place() -> dict[str, Any]:
        image, layer = leader(), target()
        if image is None or layer is None:
            return {}
        viewport = getattr(layer, "viewport", None)
        part = (layer.data.shape,) if viewport is None else (viewport.whole, viewport.origin)
        return geometry_of(image, *part)

    def move(event: Any = None) -> None:
        nonlocal moving
        if moving:  # layers may be linked, so that each moves the other
            return
        moving = True
        try:
            for name, value in place().items():
                setattr(target(), name, value)
        finally:
            moving = False

    def back(event: Any = None) -> None:
        layer, there = target(), place()
        if moving or moved is None or layer is None or not there:
            return
        if not _same_place(geometry_of(layer, layer.data.shape), there):
            move()
            moved()

    for name in GEOMETRY:
        getattr(image.events, name).connect(move)
        if moved is not None:
            getattr(layer.events, name).connect(back)
    move()


def _same_place(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    numbers = [name for name in GEOMETRY if name != "units"]
    return a["units"] == b["units"] and all(np.allclose(a[n], b[n]) for n in numbers)


def name_of(image: Image) -> str:
    """Return what an image is called in exports: its file's name, if it has one."""
    path = image.source.path
    return str(path).replace("\\", "/").rsplit("/", 1)[-1] if path else image.name


def micrometres_per_pixel(image: Image) -> float | None:
    """Return the size of a pixel where the layer has a unit of length, else None."""
    sizes = []
    for unit, scale in zip(image.units[-2:], image.scale[-2:], strict=True):
        if not unit.is_compatible_with("micrometer"):
            return None
        sizes.append(abs(float((scale * unit).to("micrometer").magnitude)))
    size = math.sqrt(sizes[0] * sizes[1])
    return size if math.isfinite(size) and size > 0 else None
