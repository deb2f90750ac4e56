"""Weights on disk: safetensors and their card → a detector, and back."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ..atomic_files import replacing
from ..errors import ModelError
from .card import Card, sha256_of
from .maskrcnn import Architecture, MaskRCNN
from .registry import SHIPPED, WEIGHTS, find, weights_beside
from .trunks import efficientnet_lite


def save_model(model: MaskRCNN, card: Card, folder: Path) -> Card:
    """Write a model as float16 safetensors with its card beside it.

    Returns
    -------
    Card
        The card as written, with the SHA-256 of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{card.name}.safetensors"
    tensors = {
        name: (t.half() if t.dtype.is_floating_point else t).contiguous()
        for name, t in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    # Not safetensors' own save_file: its files can be read by their owner alone.
    with replacing(weights) as file:
        file.write(to_bytes(tensors, {"licence": card.licence, "name": card.name}))
    path = weights.with_suffix(".json")
    architecture = {"detector": "maskrcnn", **model.arch.to_dict()}
    card = card.model_copy(
        update={"sha256": sha256_of(weights), "architecture": architecture, "path": path}
    )
    with replacing(path) as file:
        file.write(card.to_json().encode())
    return card


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a weights file: safetensors, or a ``.pt`` state dict without running code in it.

    Raises
    ------
    UserError
        If it is missing, broken, or holds anything but tensors.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file.")
    if path.suffix in (".pt", ".pth"):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises whatever the broken archive brings up
            raise ModelError(
                f"{path}: not a plain state dict (it may hold code, which is never run). "
                "Save it with torch.save(model.state_dict(), …) or as safetensors."
            ) from None
    else:
        try:
            state = load_file(path)
        except (SafetensorError, OSError, ValueError):
            raise ModelError(
                f"{path}: not a safetensors file, or cut short. Fetch or train it again."
            ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: holds something other than weights.")
    return state


def pretrained_trunk(arch: Architecture) -> dict[str, Tensor]:
    """Return published ImageNet weights of a network's trunk, under the network's names.

    Raises
    ------
    UserError
        If there are none for this trunk, or their package is not installed.
    """
    if arch.trunk not in efficientnet_lite.NAMES:
        raise ModelError(
            f"there are no ImageNet weights for the trunk {arch.trunk}: omit network.pretrained, "
            f"or choose one of {', '.join(efficientnet_lite.NAMES)}."
        )
    state, _ = efficientnet_lite.pretrained(arch.trunk)
    return {f"trunk.{n.replace('stages.', 'layers.', 1)}": t for n, t in state.items()}


def build(card: Card, weights: Path) -> MaskRCNN:
    """Make the network of a card and fill in its weights, as float32.

    Raises
    ------
    UserError
        If the weights are not of the card's architecture.
    """
    values = dict(card.architecture)
    kind = values.pop("detector", "maskrcnn")
    if kind != "maskrcnn":
        raise ModelError(f"{card.name}: this version has no detector {kind!r}.")
    try:
        model = MaskRCNN(Architecture.from_dict(values))
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{card.name}: the card's architecture is broken: {error}") from None
    state = {name: t.float() for name, t in read_state(weights).items()}
    wanted = model.state_dict()
    counters = {n for n in wanted if n.endswith("num_batches_tracked")}
    wrong = (wanted.keys() - counters) ^ (state.keys() - counters) or {
        n for n, t in state.items() if n in wanted and t.shape != wanted[n].shape
    }
    if wrong:
        raise ModelError(
            f"{weights}: weights of another architecture than its card says "
            f"(for example {sorted(wrong)[0]})."
        )
    model.load_state_dict(state, strict=False)
    return model.eval().requires_grad_(False)


def weights_of(card: Card, named: Path | None = None) -> Path:
    """Return a card's weights file, or the one that was `named`, after checking its SHA-256."""
    path = named or weights_beside(card)
    if path is None:
        raise ModelError(f"{card.weights}: the weights of {card.name!r} are missing. {_mend(card)}")
    if card.sha256 and sha256_of(path) != card.sha256:
        raise ModelError(f"{path}: damaged, its SHA-256 is not the one in its card. {_mend(card)}")
    return path


def _mend(card: Card) -> str:
    """Say what helps where the files of a model are damaged."""
    if card.path is not None and card.path.parent == SHIPPED:
        return "Reinstall napari-nuclei."
    return "Restore them from a copy, or use another model."


def load_network(model: str) -> tuple[MaskRCNN, Card]:
    """Load a network by name or path, on the CPU, as float32."""
    card = find(model)
    named = Path(model) if Path(model).suffix in WEIGHTS else None
    return build(card, weights_of(card, named)), card
