"""Finding out before the work whether what comes of it can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..atomic_files import unwritable
from ..errors import FileError
from ..streams import is_stream


def refuse_same(out: Path, given: Iterable[Path]) -> None:
    """Refuse to write over a file that is to be read."""
    if out.is_file() and any(out.samefile(path) for path in given):
        raise FileError(f"{out} is one of the input files: name another output.")


def make_folder(folder: Path | None) -> None:
    """Make a folder, or say in one line why it cannot be made."""
    assert folder is not None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"{folder} is a file: name a folder.") from None
    except OSError as error:
        raise unwritable(folder, error) from None
    _try_to_write(folder, folder)


def check_writable(path: Path, folder_is_good: bool = False) -> None:
    """Find out before the work whether a file could be written after it."""
    if path.is_dir() and not folder_is_good:
        raise FileError(f"{path} is a folder: name a file in it, such as {path / 'out.json'}.")
    if is_stream(path):
        return
    if not path.parent.is_dir():
        raise FileError(f"the folder {path.parent} does not exist. Create it, or choose another.")
    _try_to_write(path, path if path.is_dir() else path.parent)


def _try_to_write(path: Path, folder: Path) -> None:
    """Only trying tells: permissions know nothing of a network disk's own rules."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(path, error) from None
