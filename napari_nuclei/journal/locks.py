"""Who may write a journal: one window at a time."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

_PATIENCE = 0.04  # seconds: somebody may only be looking whether a lock is free


def lock_of(path: Path) -> FileLock | None:
    """Take the lock of a journal; None if another window has it. Raises `OSError`."""
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE, poll_interval=_PATIENCE / 4)
    except Timeout:
        return None
    return lock


def is_held(path: Path) -> bool:
    """Whether a window has the lock of a journal at this moment; looking leaves no trace."""
    if not Path(f"{path}.lock").exists():
        return False
    lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except OSError:  # Timeout is one
        return True
    lock.release()
    return False
