"""The Mask R-CNN for small, crowded nuclei: the network and its four inference steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import (
    FeaturePyramidNetwork,
    MultiScaleRoIAlign,
    batched_nms,
    clip_boxes_to_image,
)
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from . import trunks
from .proposals import likeliest
from .size_head import SizeHead

STRIDE = 32
"""Side lengths of the network's input are multiples of this."""

LEVELS = ("0", "1", "2", "3")
INPUT_MEAN = 0.5
MASK_SIZE = 28
BOX_BINS, MASK_BINS = 7, 14


@dataclass(frozen=True, slots=True)
class Architecture:
    """What must be known to build the network that some weights belong to.

    Attributes
    ----------
    trunk : str
        One of `trunks.NAMES`: a ResNet (``resnet18`` …) or ``efficientnet-lite0`` to ``2``.
    channels : int
        Channels of the feature pyramid.
    anchors : tuple of int
        Anchor side in px of the network's input, one a pyramid level (strides 4 to 64).
    box_hidden, mask_channels, mask_layers : int
        Widths of the box and mask heads, and the mask head's number of 3×3 convolutions.
    size_head : bool
        Whether it can tell the size of nuclei (`models/size_head.py`).
    """

    trunk: str = "resnet18"
    channels: int = 128
    anchors: tuple[int, ...] = (12, 24, 48, 96, 160)
    box_hidden: int = 384
    mask_channels: int = 96
    mask_layers: int = 4
    size_head: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """Build from a card's plain values."""
        return cls(**{**values, "anchors": tuple(values["anchors"])})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a card."""
        return {**asdict(self), "anchors": list(self.anchors)}


class _Trunk(nn.Module):
    """A trunk and its feature pyramid: (B, 3, H, W) → five maps of strides 4 to 64."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        parts = trunks.make(arch.trunk)
        self.stem, self.layers, self.std = parts.stem, parts.stages, parts.std
        self.fpn = FeaturePyramidNetwork(
            list(parts.widths),
            arch.channels,
            extra_blocks=LastLevelMaxPool(),
            norm_layer=nn.BatchNorm2d,
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = self.stem((images - INPUT_MEAN) / self.std)
        maps = {}
        for name, layer in zip(LEVELS, self.layers, strict=True):
            x = layer(x)
            maps[name] = x
        out: dict[str, Tensor] = self.fpn(maps)
        return out


class _ProposalHead(nn.Module):
    """Objectness and box deltas of every anchor of a level."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        self.deltas = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in (self.conv, self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        objectness, deltas = [], []
        for level in maps:
            x = F.relu(self.conv(level))
            # (B, A·k, H, W) → (B, H·W·A, k), the order of the anchors.
            objectness.append(self.objectness(x).permute(0, 2, 3, 1).flatten(1))
            b = level.shape[0]
            deltas.append(self.deltas(x).permute(0, 2, 3, 1).reshape(b, -1, 4))
        return torch.cat(objectness, 1).float(), torch.cat(deltas, 1).float()


class _BoxHead(nn.Module):
    """One score and one class-agnostic box refinement an RoI, with its features."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.fc1 = nn.Linear(arch.channels * 49, arch.box_hidden)
        self.fc2 = nn.Linear(arch.box_hidden, arch.box_hidden)
        self.score = nn.Linear(arch.box_hidden, 1)
        self.deltas = nn.Linear(arch.box_hidden, 4)
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.deltas.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.relu(self.fc1(pooled.flatten(1)))
        x = F.relu(self.fc2(x))
        return self.score(x)[:, 0].float(), self.deltas(x).float(), x


def _mask_head(arch: Architecture) -> nn.Sequential:
    """(N, C, 14, 14) → (N, 1, 28, 28) mask logits."""
    layers: list[nn.Module] = []
    width = arch.channels
    for _ in range(arch.mask_layers):
        layers += [
            nn.Conv2d(width, arch.mask_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(arch.mask_channels),
            nn.ReLU(inplace=True),
        ]
        width = arch.mask_channels
    layers += [
        nn.ConvTranspose2d(width, width, 2, 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 1, 1),
    ]
    return nn.Sequential(*layers)


class MaskRCNN(nn.Module):
    """Mask R-CNN with one class, for nuclei of about ``Architecture.anchors`` px.

    Boxes are (x0, y0, x1, y1) in px of the network's input.
    """

    def __init__(self, arch: Architecture | None = None) -> None:
        super().__init__()
        self.arch = arch = arch or Architecture()
        if len(arch.anchors) != len(LEVELS) + 1:
            raise ValueError(f"{len(LEVELS) + 1} anchors are needed, one a level of the pyramid")
        self.trunk = _Trunk(arch)
        self.anchors = AnchorGenerator(
            tuple((a,) for a in arch.anchors), ((0.5, 1.0, 2.0),) * len(arch.anchors)
        )
        self.proposal_head = _ProposalHead(arch.channels, 3)
        self.box_head = _BoxHead(arch)
        self.mask_head = _mask_head(arch)
        self.size_head = SizeHead(arch.channels) if arch.size_head else None
        # One sample a bin: nuclei span fewer cells than bins, more samples only cost time.
        align = partial(MultiScaleRoIAlign, list(LEVELS), sampling_ratio=1, canonical_scale=112)
        self.box_pool = align(output_size=BOX_BINS)
        self.mask_pool = align(output_size=MASK_BINS)
        self.rpn_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the pyramid of normalised images.

        Parameters
        ----------
        images : Tensor
            (B, 3, H, W), percentile-normalised to about 0…1, sides multiples of `STRIDE`;
            padding must have the value `INPUT_MEAN`.
        """
        maps: dict[str, Tensor] = self.trunk(images)
        return maps

    def anchor_boxes(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Return all anchors, (A, 4), in the order of the proposal head's output."""
        strides = [
            [torch.tensor(size[0] // m.shape[-2]), torch.tensor(size[1] // m.shape[-1])]
            for m in maps
        ]
        self.anchors.set_cell_anchors(torch.float32, maps[0].device)
        return torch.cat(self.anchors.grid_anchors([list(m.shape[-2:]) for m in maps], strides))

    @torch.no_grad()
    def select(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        levels: list[int],
        size: tuple[int, int],
        keep: int,
    ) -> tuple[Tensor, Tensor]:
        """Decode a crop's best anchors and suppress doubles within each level, to learn from.

        Parameters
        ----------
        objectness, deltas, anchors : Tensor
            (A,), (A, 4), (A, 4).
        levels : list of int
            Anchors per level, in order.
        size : (int, int)
            Height and width of the network's input.
        keep : int
            Proposals to keep; twice as many enter the suppression.

        Returns
        -------
        boxes, scores : Tensor
            (P, 4) and (P,), best first, scores as probabilities.
        """
        top = objectness.topk(min(2 * keep, objectness.numel())).indices
        boxes, scores = self._distinct(top, objectness, deltas, anchors, levels, size)
        return boxes[:keep], scores[:keep]

    def _distinct(
        self,
        top: Tensor,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        levels: list[int],
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Decode the chosen anchors, less the doubles within each level, best first."""
        level_of = torch.repeat_interleave(
            torch.arange(len(levels), device=objectness.device),
            torch.tensor(levels, device=objectness.device),
        )
        boxes = self.rpn_coder.decode_single(deltas[top], anchors[top])
        boxes = clip_boxes_to_image(boxes, size)
        scores = objectness[top].sigmoid()
        wide = ((boxes[:, 2:] - boxes[:, :2]) >= 2).all(1)
        boxes, scores, level = boxes[wide], scores[wide], level_of[top][wide]
        best = batched_nms(boxes, scores, level, 0.7)
        return boxes[best], scores[best]

    def propose(
        self, maps: dict[str, Tensor], size: tuple[int, int]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return each image's proposals, (P, 4) boxes and (P,) objectness, best first.

        Those of a place do not depend on what else the image holds; see `proposals.likeliest`.
        """
        levels = list(maps.values())
        objectness, deltas = self.proposal_head(levels)
        anchors = self.anchor_boxes(levels, size)
        counts = [m.shape[-1] * m.shape[-2] * 3 for m in levels]
        return [
            self._distinct(likeliest(o, size), o, d, anchors, counts, size)
            for o, d in zip(objectness, deltas, strict=True)
        ]

    def classify(
        self, maps: dict[str, Tensor], boxes: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Score and refine boxes.

        Parameters
        ----------
        maps : dict of Tensor
            What `features` returned for B images.
        boxes : list of Tensor
            (N_b, 4) for each of the B images.

        Returns
        -------
        scores, refined, features : Tensor
            (N,) probabilities, (N, 4) boxes, (N, box_hidden), the images one after another.
        """
        pooled = self.box_pool(maps, boxes, [size] * len(boxes))
        logits, deltas, features = self.box_head(pooled)
        refined = self.box_coder.decode_single(deltas, torch.cat(boxes))
        return logits.sigmoid(), clip_boxes_to_image(refined, size), features

    def masks(self, maps: dict[str, Tensor], boxes: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Return soft masks inside boxes, (N, 28, 28), as probabilities."""
        pooled = self.mask_pool(maps, boxes, [size] * len(boxes))
        logits: Tensor = self.mask_head(pooled)
        return logits[:, 0].float().sigmoid()
