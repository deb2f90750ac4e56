"""`MaskRCNNDetector`: the Mask R-CNN behind the `Detector` and `PromptableDetector` protocols."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import clip_boxes_to_image, nms

from .detector import Detections, SizeVotes
from .maskrcnn import BOX_BINS, INPUT_MEAN, LEVELS, MASK_BINS, MaskRCNN
from .memory import available
from .pooling import Pyramid, pyramid_of
from .prompting import Judged
from .runtime import autocast
from .size_head import CELL

if TYPE_CHECKING:
    from .card import Card
CHUNK = 1024
"""RoIs pooled at once, which bounds the memory of a crowded tile and keeps a GPU busy."""

BOXES_ON_CPU, MASKS_ON_CPU = 256, 64
"""The same on a CPU: so many that its cache still holds what a head's layers hand on."""

BYTES = 500
"""Of a GPU's memory for each px of a tile in a batch: a generous guess from the sizes of the maps,
half of which are float32 copies. Where it is wrong, out-of-memory recovery takes over."""

MAX_TILES_PER_BATCH = 8
"""Tiles in a batch at most: by then a GPU is busy."""


@dataclass(frozen=True, slots=True)
class EncodedTile:
    """A tile's feature pyramid and proposals, of which the heads can be asked at any time.

    Attributes
    ----------
    pyramid : Pyramid
        The feature maps.
    size : (int, int)
        Height and width of the network's input, padding included.
    shape : (int, int)
        Height and width of the tile.
    proposals : Tensor
        (P, 4) boxes (x0, y0, x1, y1), likeliest first.
    """

    pyramid: Pyramid
    size: tuple[int, int]
    shape: tuple[int, int]
    proposals: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""
        return self.pyramid.nbytes + self.proposals.nbytes


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

    stride = 64  # of the coarsest level
    overlap = 0.5

    def __init__(self, network: MaskRCNN, card: Card, device: torch.device) -> None:
        self.card, self.device = card, device
        folded = copy.deepcopy(network).eval()
        _fold(folded)
        self.network = folded.to(device).to(memory_format=torch.channels_last)
        # The largest anchor's nucleus, and as much again for what the network looks at.
        self.margin = 128
        self.batch: int | None = None

    def batch_for(self, size: tuple[int, int]) -> int:
        """Choose how many tiles to take at once; see `BatchedDetector.batch_for`.

        One on the CPU, where more was no faster.
        """
        fits = 1
        if self.device.type == "cuda":
            fits = int(available(self.device) / 2 / (BYTES * size[0] * size[1]))
        return max(1, min(fits, MAX_TILES_PER_BATCH)) if self.batch is None else self.batch

    def detect(
        self,
        tile: NDArray[np.float32],
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        """Find nuclei in a tile; see `Detector.detect`."""
        return self.read(self.encode(tile), core, low)

    def detect_many(
        self,
        tiles: Sequence[NDArray[np.float32]],
        cores: Sequence[tuple[int, int, int, int] | None],
        low: float = 0.05,
    ) -> list[Detections]:
        """Find nuclei in several tiles at once; see `BatchedDetector.detect_many`."""
        every = zip(self._encoded(tiles), cores, strict=True)
        return [self.read(one, core, low) for one, core in every]

    def encode(self, tile: NDArray[np.float32]) -> EncodedTile:
        """Compute pyramid and proposals of a tile; see `PromptableDetector.encode`."""
        (one,) = self._encoded([tile])
        return one

    @torch.inference_mode()
    def _encoded(self, tiles: Sequence[NDArray[np.float32]]) -> list[EncodedTile]:
        images, size = self._input(tiles)
        with autocast(self.device):
            maps = self.network.features(images)
            proposed = self.network.propose(maps, size)
            pyramids = [
                pyramid_of([maps[name][k : k + 1] for name in LEVELS], size)
                for k in range(len(tiles))
            ]
        return [
            EncodedTile(pyramid, size, (t.shape[0], t.shape[1]), boxes)
            for pyramid, t, (boxes, _) in zip(pyramids, tiles, proposed, strict=True)
        ]

    @torch.inference_mode()
    def read(
        self,
        encoded: EncodedTile,
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        """Find the nuclei of an encoded tile; see `Detector.detect`."""
        with autocast(self.device):
            core = core or (0, 0, *encoded.shape)
            # Further out nothing is wanted, nor suppresses what is.
            near = _centred_in(encoded.proposals, core, self.margin // 2)
            boxes, scores, _ = self._classified(encoded, encoded.proposals[near])
            likely = scores >= low
            boxes, scores = boxes[likely], scores[likely]
            best = nms(boxes, scores, self.overlap)
            boxes, scores = boxes[best], scores[best]
            wanted = _centred_in(boxes, core)
            boxes, scores = boxes[wanted], scores[wanted]
            masks = self._masks(encoded, boxes)
        return Detections(boxes.cpu().numpy(), scores.cpu().numpy(), masks.cpu().numpy())

    def proposals(self, encoded: EncodedTile) -> NDArray[np.float32]:
        """Return an encoded tile's proposals; see `PromptableDetector.proposals`."""
        boxes: NDArray[np.float32] = encoded.proposals.cpu().numpy()
        return boxes

    @torch.inference_mode()
    def judge(self, encoded: EncodedTile, boxes: NDArray[np.float32]) -> Judged:
        """Score and refine boxes; see `PromptableDetector.judge`."""
        with autocast(self.device):
            given = torch.from_numpy(boxes.astype(np.float32)).to(self.device)
            refined, scores, features = self._classified(encoded, given)
        parts = (refined, scores, features.float())
        return Judged(*(part.cpu().numpy() for part in parts))

    @torch.inference_mode()
    def soft_masks(self, encoded: EncodedTile, boxes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return soft masks inside boxes; see `PromptableDetector.soft_masks`."""
        with autocast(self.device):
            masks = self._masks(encoded, torch.from_numpy(boxes.astype(np.float32)).to(self.device))
        soft: NDArray[np.uint8] = masks.cpu().numpy()
        return soft

    @torch.inference_mode()
    def sizes(self, tile: NDArray[np.float32]) -> SizeVotes | None:
        """Say how large a tile's nuclei are; see `SizingDetector.sizes`."""
        head = self.network.size_head
        if head is None:
            return None
        images, _ = self._input([tile])
        with autocast(self.device):
            logs, numbers = head(self.network.features(images))
        # Cells of padding hold nothing, and those that it cuts less than they should.
        rows, cols = (-(-n // CELL) for n in tile.shape[:2])
        parts = (part[0, :rows, :cols].flatten().cpu().numpy() for part in (logs.exp(), numbers))
        return SizeVotes(*parts)

    def _input(self, tiles: Sequence[NDArray[np.float32]]) -> tuple[Tensor, tuple[int, int]]:
        parts = [self._padded(tile) for tile in tiles]
        images = torch.cat(parts) if len(parts) > 1 else parts[0]
        if self.device.type == "cuda":  # from pinned memory it is copied while others compute
            images = images.contiguous(memory_format=torch.channels_last).pin_memory()
        images = images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        return images, (images.shape[-2], images.shape[-1])

    def _padded(self, tile: NDArray[np.float32]) -> Tensor:
        height, width = tile.shape[:2]
        image = torch.from_numpy(np.require(tile, requirements=["C", "W"])).permute(2, 0, 1)[None]
        # Of whole cells of every level, or the anchors of the coarsest would be spread to fit.
        pad = (0, -width % self.stride, 0, -height % self.stride)
        return F.pad(image, pad, value=INPUT_MEAN)

    def _classified(self, encoded: EncodedTile, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return refined boxes, calibrated scores and features."""
        if not len(boxes):
            return boxes, boxes.new_zeros(0), boxes.new_zeros(0, self.network.arch.box_hidden)
        parts = [self._classified_chunk(encoded, c) for c in self._split(boxes, BOXES_ON_CPU)]
        refined, scores, features = (torch.cat(part) for part in zip(*parts, strict=True))
        slope, offset = (self.card.calibration.get(k, v) for k, v in (("slope", 1), ("offset", 0)))
        if (slope, offset) != (1, 0):
            scores = (slope * torch.logit(scores, 1e-6) + offset).sigmoid()
        return refined, scores, features

    def _classified_chunk(self, encoded: EncodedTile, boxes: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        logits, deltas, features = network.box_head(encoded.pyramid.pool(boxes, BOX_BINS))
        refined = clip_boxes_to_image(network.box_coder.decode_single(deltas, boxes), encoded.size)
        return refined, logits.sigmoid(), features

    def _split(self, boxes: Tensor, on_cpu: int) -> tuple[Tensor, ...]:
        chunks: tuple[Tensor, ...] = boxes.split(on_cpu if self.device.type == "cpu" else CHUNK)
        return chunks

    def _masks(self, encoded: EncodedTile, boxes: Tensor) -> Tensor:
        if not len(boxes):
            return torch.zeros((0, 28, 28), dtype=torch.uint8)
        heads = (
            self.network.mask_head(encoded.pyramid.pool(chunk, MASK_BINS))
            for chunk in self._split(boxes, MASKS_ON_CPU)
        )
        soft = [(logits[:, 0].float().sigmoid() * 255).round() for logits in heads]
        return torch.cat(soft).to(torch.uint8)


def _centred_in(boxes: Tensor, core: tuple[int, int, int, int], grown: int = 0) -> Tensor:
    y0, x0, y1, x1 = core
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    y = (boxes[:, 1] + boxes[:, 3]) / 2
    return (y >= y0 - grown) & (y < y1 + grown) & (x >= x0 - grown) & (x < x1 + grown)


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
