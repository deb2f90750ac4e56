"""Convolutional trunks: images in, four maps of strides 4, 8, 16 and 32 out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from . import efficientnet_lite, resnet

__all__ = ["NAMES", "Trunk", "make"]


@dataclass(frozen=True, slots=True)
class Trunk:
    """The parts of a trunk, as a feature pyramid wants them.

    Attributes
    ----------
    stem : Module
        (B, 3, H, W) → a map that the first stage takes.
    stages : ModuleList
        Four, each taking the map of the one before; their outputs have strides 4, 8, 16, 32.
    widths : tuple of int
        Channels of the four outputs.
    std : float
        What the input is divided by, after 0.5 was taken off.
    """

    stem: nn.Module
    stages: nn.ModuleList
    widths: tuple[int, ...]
    std: float


_ROOMS: dict[str, Callable[[str], tuple[nn.Module, nn.ModuleList, tuple[int, ...], float]]] = {
    **dict.fromkeys(resnet.NAMES, resnet.parts),
    **dict.fromkeys(efficientnet_lite.NAMES, efficientnet_lite.parts),
}
NAMES = tuple(_ROOMS)


def make(name: str) -> Trunk:
    """Build a trunk with random weights.

    Raises
    ------
    ValueError
        If there is no such trunk.
    """
    if name not in _ROOMS:
        raise ValueError(f"unknown trunk {name!r}: choose one of {', '.join(NAMES)}")
    return Trunk(*_ROOMS[name](name))
