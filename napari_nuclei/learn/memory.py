"""Out of memory: what to train with instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import TrainingError
from ..wording import worded
from .parallel import World

if TYPE_CHECKING:
    from .recipe import Schedule

SMALLEST_CROP = 128
"""Side in px below which a crop shows too few nuclei to learn from."""


def smaller(schedule: Schedule, error: Exception, world: World) -> Schedule:
    """Return a schedule that needs less memory; any other error goes its way."""
    if not _out_of_memory(error) or world.size > 1:
        raise error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if schedule.batch > 1:
        return schedule.model_copy(update={"batch": schedule.batch // 2})
    if schedule.crop <= SMALLEST_CROP:
        raise TrainingError(
            f"Out of memory, even with single crops of {schedule.crop} px: close other programs, "
            f"or train on another device{worded(' (--device)', '', '')}."
        ) from None
    side = max(SMALLEST_CROP, schedule.crop * 3 // 4 // 32 * 32)
    return schedule.model_copy(update={"crop": side})


def _out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    known = "out of memory", "can't allocate memory", "not enough memory"
    return isinstance(error, MemoryError) or any(words in said for words in known)


def less(schedule: Schedule) -> str:
    """Say in a line for a person what is trained with from now on."""
    crops = f"{schedule.batch} crop{'s' * (schedule.batch > 1)}"
    return f"Out of memory: continuing with {crops} of {schedule.crop} px at a time"
