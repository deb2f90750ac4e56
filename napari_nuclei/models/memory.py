"""Running out of memory: telling it from other failures, making room, moving to the CPU."""

from __future__ import annotations

import copy
import gc

import torch

from .detector import Detector

WORDS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that the device's or the machine's memory is too small."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's allocator, cuDNN, cuBLAS and Metal say so in words only.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in WORDS)


def free() -> None:
    """Give back what is not needed any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def available(device: torch.device) -> int:
    """Return the bytes of a GPU's memory that are free, or kept by torch for its next tensors."""
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + kept)


def on_cpu(detector: Detector) -> Detector:
    """Return a detector that runs on the CPU.

    Raises
    ------
    MemoryError
        If it runs there already.
    """
    device = getattr(detector, "device", None)
    if device is None or device.type == "cpu":
        raise MemoryError("out of memory")
    moved = copy.copy(detector)
    moved.device = torch.device("cpu")  # type: ignore[attr-defined]
    moved.network = copy.deepcopy(detector.network).cpu()  # type: ignore[attr-defined]
    return moved
