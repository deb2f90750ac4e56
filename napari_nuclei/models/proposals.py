"""Which anchors may become proposals, chosen place by place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CELL = 64
"""Side of a cell in px of the network's input. Tiles begin at multiples of it, and the coarsest
level has one anchor place a cell: so a cell holds the same anchors whatever tile it is seen in."""

STRIDES = (4, 8, 16, 32, 64)
SHAPES = 3
"""Anchors at each place of a level."""

MAX_ANCHORS_PER_CELL = 32
"""Anchors of a cell that may become proposals: 8,000 a megapixel at most, of which half or so are
distinct. With 48, F1 on the validation images of dsb2018 and vrdl was the same to 0.001."""

MIN_OBJECTNESS = 0.1
"""Objectness below which an anchor is none of them."""


def likeliest(objectness: Tensor, size: tuple[int, int]) -> Tensor:
    """Choose the likeliest anchors of each cell.

    A tile's likeliest would depend on what else the tile holds: beside a crowd, an anchor is
    left out that is taken where the grid of tiles lies otherwise.

    Parameters
    ----------
    objectness : Tensor
        (A,) logits, in the order of the proposal head's output.
    size : (int, int)
        Height and width of the network's input, multiples of `CELL`.

    Returns
    -------
    Tensor
        (P,) indices.
    """
    cells = anchors_by_cell(size, objectness.device)
    values, places = objectness[cells].topk(MAX_ANCHORS_PER_CELL, 1)
    return cells.gather(1, places)[values >= math.log(MIN_OBJECTNESS / (1 - MIN_OBJECTNESS))]


def anchors_by_cell(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the indices of each cell's anchors, (cells, anchors), the cells row by row."""
    rows, cols = size[0] // CELL, size[1] // CELL
    levels, first = [], 0
    for stride in STRIDES:
        side = CELL // stride
        count = rows * side * cols * side * SHAPES
        level = torch.arange(first, first + count, device=device)
        level = level.view(rows, side, cols, side, SHAPES).transpose(1, 2)
        levels.append(level.reshape(rows * cols, -1))
        first += count
    return torch.cat(levels, 1)
