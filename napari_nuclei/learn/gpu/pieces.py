"""A checkpoint in pieces that are small enough to be fetched, and the whole one again.

Writing needs neither pydantic nor pycocotools.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from ...atomic_files import read_json, replacing
from ...errors import TrainingError
from ...models.maskrcnn import Architecture
from ..loop import State, new_state
from .pack import halved

PIECE = 15_000_000
"""Bytes that a piece may have."""

WHOLE = 4 * PIECE
"""Bytes that all pieces may have together: without the optimizer's memory, if need be."""

INDEX = "checkpoint.json"


def write_pieces(state: State, folder: Path, piece: int = PIECE, whole: int = WHOLE) -> list[Path]:
    """Write a checkpoint in pieces, over those of an earlier one.

    Weights are kept as float16, but for what is small; what the optimizer remembers as
    bfloat16, where it fits.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    tensors = {
        **{f"model.{n}": t for n, t in halved(_on_cpu(state.model.state_dict())).items()},
        **{f"ema.{n}": t for n, t in halved(_on_cpu(state.ema.state_dict())).items()},
    }
    moments = _moments(state)
    data = to_bytes({**tensors, **moments})
    if len(data) > whole:
        moments, data = {}, to_bytes(tensors)
    parts = [data[k : k + piece] for k in range(0, len(data), piece)]
    paths = [folder / f"checkpoint.{k}of{len(parts)}" for k in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        with replacing(path) as file:
            file.write(part)
    index = {
        "step": state.step,
        "seconds": round(state.seconds, 1),
        "best": state.best,
        "architecture": state.model.arch.to_dict(),
        "with_moments": bool(moments),
        "pieces": [
            {"name": p.name, "sha256": hashlib.sha256(part).hexdigest()}
            for p, part in zip(paths, parts, strict=True)
        ],
    }
    with replacing(folder / INDEX) as file:
        file.write(json.dumps(index).encode())
    return [*paths, folder / INDEX]


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.detach().cpu() for n, t in state.items()}


def _moments(state: State) -> dict[str, Tensor]:
    """What AdamW remembers of each parameter, by its number."""
    out = {}
    for number, memory in state.optimizer.state_dict()["state"].items():
        for name, tensor in memory.items():
            small = tensor.detach().cpu()
            small = small.bfloat16() if small.ndim > 1 else small
            out[f"optimizer.{number}.{name}"] = small.contiguous()
    return out


def join_pieces(folder: Path, out: Path) -> State:
    """Put the pieces in a folder together, as a checkpoint that ``train --resume`` goes on from.

    Raises
    ------
    UserError
        If a piece is missing, damaged, or of another checkpoint.
    """
    index = read_json(folder / INDEX)
    try:
        data = b"".join(_piece(folder / p["name"], p["sha256"]) for p in index["pieces"])
        tensors = from_bytes(data)
        state = _filled(tensors, index)
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{folder / INDEX}: not of this version's checkpoints ({error})."
        ) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    state.save(out)
    return state


def _piece(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise TrainingError(f"{path}: a piece of the checkpoint is missing ({reason}).") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise TrainingError(
            f"{path}: cut short, or of another checkpoint than {INDEX} tells of: fetch all again."
        )
    return data


def _filled(tensors: dict[str, Tensor], index: dict[str, Any]) -> State:
    from ..recipe import Schedule

    arch = Architecture.from_dict(index["architecture"])
    state = new_state(arch, Schedule(), None, torch.device("cpu"))
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        parts[kind][rest] = tensor.float() if tensor.is_floating_point() else tensor
    state.model.load_state_dict(parts["model"])
    state.ema.load_state_dict(parts["ema"])
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        number, _, kind = name.partition(".")
        memory.setdefault(int(number), {})[kind] = tensor
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    state.step, state.seconds, state.best = index["step"], index["seconds"], index["best"]
    return state
