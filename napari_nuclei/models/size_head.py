"""The size head: how large the nuclei are around each cell of the coarse pyramid.

It looks at whole nuclei and their surroundings, so that a nucleolus is not taken for a nucleus,
which the detections of an image at the wrong scale do. Learned after the rest: `learn/sizes.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 32
"""Side of a cell, in px of the network's input."""

LEVELS = ("2", "3")
"""Of strides 16 and 32."""


class SizeHead(nn.Module):
    """Pyramid → for each cell the logarithm of the diameter, and how many nuclei it holds.

    Parameters
    ----------
    channels : int
        Of the pyramid's levels.
    diameter : float
        In px; what an untrained head answers.
    """

    def __init__(self, channels: int, diameter: float = 26, hidden: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, hidden, 3, padding=1)
        self.out = nn.Conv2d(hidden, 2, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        self.register_buffer("middle", torch.tensor(diameter).log())

    def forward(self, maps: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return (B, H, W) logarithms of diameters in px, and (B, H, W) expected numbers."""
        fine, coarse = (maps[name] for name in LEVELS)
        both = torch.cat([F.avg_pool2d(fine, 2), coarse], 1)
        values = self.out(F.relu(self.conv(both))).float()
        middle: Tensor = self.middle  # type: ignore[assignment]
        return values[:, 0] + middle, F.softplus(values[:, 1])
