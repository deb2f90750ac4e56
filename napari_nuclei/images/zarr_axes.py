"""The axes of a zarr: as OME-Zarr names them, as others do, or by its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ImageError

MAX_CHANNELS = 16
"""Longest last axis of a plain array that is taken for channels."""


def ome_axes(axes: Sequence[Any] | None, ndim: int) -> str:
    """Return the letters of an OME-Zarr image's axes. Raises `UserError` if y or x is none."""
    if axes is None:  # before version 0.3 they were always these
        if ndim > 5:
            raise ImageError(f"has {ndim} axes without names")
        return "TCZYX"[-ndim:]
    letters = _letters([_kind_of(axis) for axis in axes])
    if len(letters) != ndim or not {"Y", "X"} <= set(letters):
        names = [str(a.get("name") if isinstance(a, dict) else a) for a in axes]
        raise ImageError(f"its axes are {', '.join(names)}: y and x are needed")
    return letters


_NAMES = {
    **{name: name.upper() for name in "xyztc"},
    **{"time": "T", "channel": "C", "channels": "C", "rgb": "S", "rgba": "S", "sample": "S"},
}


def _kind_of(axis: Any) -> str:
    """Return the letter of an axis; empty for one that has no letter of its own here."""
    name, kind = (axis.get("name"), axis.get("type")) if isinstance(axis, dict) else (axis, None)
    if kind == "channel":
        return "C"
    return _NAMES.get(str(name).lower(), "")


def _letters(kinds: Sequence[str]) -> str:
    """Give each axis a letter of its own."""
    out = ""
    for kind in kinds:
        free = (a for a in "UVWPQRIABD" if a not in out)
        out += kind if kind and kind not in out else next(free)
    return out


def usual_axes(shape: Sequence[int], itemsize: int = 1, labels: bool = False) -> str:
    """Return those of a plain array without names: colours or channels last, planes first."""
    if len(shape) < 2:
        raise ImageError(f"an image has 2 dimensions or more; this has {len(shape)}")
    last = ""
    if len(shape) > 2 and not labels and shape[-1] <= MAX_CHANNELS < min(shape[-3:-1]):
        # Four of 16 bits are channels of a microscope rather than colours and alpha.
        colours = shape[-1] == 3 or (shape[-1] == 4 and itemsize == 1)
        last = "S" if colours else "C"
    elif len(shape) > 2 and not labels and shape[-1] in (3, 4):
        last = "S"
    lead = len(shape) - 2 - len(last)
    if lead > 5:
        raise ImageError(f"has {len(shape)} axes without names")
    return "TUVWZ"[5 - lead :] + "YX" + last


def named_axes(names: Sequence[Any], ndim: int) -> str:
    """Return the letters of axes that have names; empty where these do not tell y and x."""
    letters = _letters([_kind_of(name) for name in names])
    return letters if len(letters) == ndim and {"Y", "X"} <= set(letters) else ""
