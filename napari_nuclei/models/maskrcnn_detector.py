"""`MaskRCNNDetector`: the Mask R-CNN behind the `Detector` protocol.

Here: one tile through the trained network, on any device. Not here: the network itself
(`models/maskrcnn.py`), tiles and what they share (`predict.py`).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import nms

from .card import Card
from .detector import Detections
from .maskrcnn import INPUT_MEAN, STRIDE, MaskRCNN
from .runtime import autocast

PER_MEGAPIXEL = 5000
"""Proposals kept per megapixel of the network's input."""

CHUNK = 1024
"""RoIs pooled at once, which bounds the memory of a crowded tile."""


class MaskRCNNDetector:
    """A trained Mask R-CNN that finds nuclei in a tile.

    Parameters
    ----------
    network : MaskRCNN
        Trained; copied, its normalisation layers folded into the convolutions.
    card : Card
        What is known of it.
    device : torch.device
        Where it runs.
    """

    stride = STRIDE
    objectness = 0.02
    overlap = 0.5

    def __init__(self, network: MaskRCNN, card: Card, device: torch.device) -> None:
        self.card, self.device = card, device
        folded = copy.deepcopy(network).eval()
        _fold(folded)
        self.network = folded.to(device).to(memory_format=torch.channels_last)
        # The largest anchor's nucleus, and as much again for what the network looks at.
        self.margin = 128

    @torch.inference_mode()
    def detect(
        self,
        tile: NDArray[np.float32],
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        """Find nuclei in a tile; see `Detector.detect`."""
        images, size = self._input(tile)
        with autocast(self.device):
            maps = self.network.features(images)
            # RoIAlign works on plain float32 maps: convert them once, not for every chunk.
            plain = {name: level.float().contiguous() for name, level in maps.items()}
            keep = max(300, round(PER_MEGAPIXEL * size[0] * size[1] / 1e6))
            ((proposals, objectness),) = self.network.propose(maps, size, keep)
            proposals = proposals[objectness >= self.objectness]
            boxes, scores = self._classified(plain, proposals, size)
            likely = scores >= low
            boxes, scores = boxes[likely], scores[likely]
            best = nms(boxes, scores, self.overlap)
            boxes, scores = boxes[best], scores[best]
            wanted = _centred_in(boxes, core or (0, 0, *tile.shape[:2]))
            boxes, scores = boxes[wanted], scores[wanted]
            masks = self._masks(plain, boxes, size)
        return Detections(boxes.cpu().numpy(), scores.cpu().numpy(), masks.cpu().numpy())

    def _input(self, tile: NDArray[np.float32]) -> tuple[Tensor, tuple[int, int]]:
        height, width = tile.shape[:2]
        image = torch.from_numpy(np.require(tile, requirements=["C", "W"])).permute(2, 0, 1)[None]
        pad = (0, -width % STRIDE, 0, -height % STRIDE)
        image = F.pad(image, pad, value=INPUT_MEAN)
        image = image.to(self.device, memory_format=torch.channels_last)
        return image, (image.shape[-2], image.shape[-1])

    def _classified(
        self, maps: dict[str, Tensor], proposals: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        if not len(proposals):
            return proposals, proposals.new_zeros(0)
        parts = [self.network.classify(maps, [b], size) for b in proposals.split(CHUNK)]
        scores = torch.cat([p[0] for p in parts])
        slope, offset = (self.card.calibration.get(k, v) for k, v in (("slope", 1), ("offset", 0)))
        if (slope, offset) != (1, 0):
            scores = (slope * torch.logit(scores, 1e-6) + offset).sigmoid()
        return torch.cat([p[1] for p in parts]), scores

    def _masks(self, maps: dict[str, Tensor], boxes: Tensor, size: tuple[int, int]) -> Tensor:
        if not len(boxes):
            return torch.zeros((0, 28, 28), dtype=torch.uint8)
        soft = [self.network.masks(maps, [b], size) for b in boxes.split(CHUNK)]
        return (torch.cat(soft) * 255).round().to(torch.uint8)


def _centred_in(boxes: Tensor, core: tuple[int, int, int, int]) -> Tensor:
    y0, x0, y1, x1 = core
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    y = (boxes[:, 1] + boxes[:, 3]) / 2
    return (y >= y0) & (y < y1) & (x >= x0) & (x < x1)


def _fold(module: nn.Module) -> None:
    """Fold each normalisation layer into the convolution before it, in place."""
    from torchvision.models.resnet import BasicBlock, Bottleneck

    if isinstance(module, BasicBlock | Bottleneck):
        for k in (1, 2, 3):
            if hasattr(module, f"conv{k}"):
                conv, norm = getattr(module, f"conv{k}"), getattr(module, f"bn{k}")
                setattr(module, f"conv{k}", fuse_conv_bn_eval(conv, norm))
                setattr(module, f"bn{k}", nn.Identity())
    previous = None
    for name, child in module.named_children():
        if isinstance(module, nn.Sequential) and isinstance(child, nn.BatchNorm2d):
            assert isinstance(previous, nn.Conv2d)
            names = list(module._modules)
            before = names[names.index(name) - 1]
            module._modules[before] = fuse_conv_bn_eval(previous, child)
            module._modules[name] = nn.Identity()
        else:
            _fold(child)
        previous = child
