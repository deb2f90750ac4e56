"""Architectures, weights, cards and the registry. Importing this room loads no torch.

What training on a bare machine needs of it (`training/gpu.sh`) does without pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .detector import Detections, Detector

if TYPE_CHECKING:
    from .card import Card
    from .maskrcnn_detector import MaskRCNNDetector

__all__ = ["Card", "Detections", "Detector", "devices", "load"]


def __getattr__(name: str) -> Any:
    if name == "Card":
        from .card import Card

        return Card
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(model: str, device: str = "auto") -> MaskRCNNDetector:
    """Load a model for prediction.

    Parameters
    ----------
    model : str
        A name that `registry.cards` lists, or the path of a weights file with its card.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    UserError
        If there is no such model or device, or its files are damaged.
    """
    from .. import checks
    from .registry import find

    # Torch takes long to load: not before a word on a wrong name.
    checks.device(device)
    find(model)
    from .maskrcnn_detector import MaskRCNNDetector
    from .runtime import pick_device
    from .weights import load_network

    chosen = pick_device(device)
    network, card = load_network(model)
    return MaskRCNNDetector(network, card, chosen)


def devices() -> list[str]:
    """Return the devices that this machine has, best first. Loads torch."""
    from .runtime import devices

    return devices()
