"""Devices and precision: where a network runs, and how exactly. Nothing else lives here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from ..errors import ModelError
from ..wording import counted


def devices() -> list[str]:
    """Return the devices that this machine has, best first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def pick_device(name: str = "auto") -> torch.device:
    """Turn a device's name into a device; ``auto`` is the best one there is.

    Raises
    ------
    UserError
        If this machine has no such device.
    """
    have = devices()
    if name == "auto":
        return torch.device(have[0])
    if name == "cuda" and have[0].startswith("cuda"):
        return torch.device("cuda:0")
    if name not in have:
        raise ModelError(
            f"there is no device {name!r} here. Choose one of: auto, {', '.join(have)}."
        )
    return torch.device(name)


def gpus() -> int:
    """Return how many NVIDIA GPUs this machine has."""
    return torch.cuda.device_count()


def use_threads(count: int) -> None:
    """Compute with so many threads of the processor."""
    torch.set_num_threads(count)


def name_of(device: torch.device) -> str:
    """Say in a few words what a device is, for tables and cards."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"{device.type}, {counted(threads, 'thread')}"


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Reduced precision where the device gains by it."""
    if device.type == "cuda":
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.autocast("cuda", half)
    if device.type == "cpu" and _cpu_gains():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def _cpu_gains() -> bool:
    """Whether the processor multiplies bfloat16 itself; emulated it is slower than float32."""
    # torch has no public question for this.
    asks = (getattr(torch.cpu, name, None) for name in _HALF_QUESTIONS)
    return any(ask() for ask in asks if ask is not None)


_HALF_QUESTIONS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
