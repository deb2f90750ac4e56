"""torchvision's ResNets as trunks."""

from __future__ import annotations

from torch import nn
from torchvision.models import resnet

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101")


def parts(name: str) -> tuple[nn.Module, nn.ModuleList, tuple[int, ...], float]:
    """Return stem, stages, widths and input scale (see `Trunk`)."""
    net = getattr(resnet, name)(weights=None)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
    factor = 1 if name in NAMES[:2] else 4
    return stem, stages, tuple(w * factor for w in (64, 128, 256, 512)), 0.25
