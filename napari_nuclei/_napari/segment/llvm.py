"""Keeping two copies of LLVM apart, which torch and the window would bring into one process.

torchvision imports triton where it is installed, and triton exports the symbols of an LLVM of
its own. Where Mesa draws the window it has loaded another LLVM before, and the process dies of
it. Nothing in this project needs triton.
"""

from __future__ import annotations

import sys
from pathlib import Path

MAPS = Path("/proc/self/maps")
"""Where Linux lists the libraries of this process."""


def hide_triton_from_mesa() -> None:
    """Make `import triton` fail cleanly where it would crash. To be called before torch is."""
    if "triton" not in sys.modules and _has_llvm():
        sys.modules["triton"] = None  # type: ignore[assignment]


def _has_llvm() -> bool:
    try:
        return "libLLVM" in MAPS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # not Linux
