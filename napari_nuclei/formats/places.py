"""Which file an image's nuclei go to, where a format has a file an image.

Here: names and folders. Not here: what is written (`registry.py` calls the writers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from ..errors import UserError
from .dataset import ImageRecord
from .files import unwritable
from .registry import Format
from .streams import is_stream


def places(path: Path, images: Sequence[ImageRecord], format: Format) -> list[Path]:
    """Return one file for each image, and make the folder that they go to.

    Raises
    ------
    UserError
        If there is no image, two have the same name but for the ending, or the folder cannot
        be made.
    """
    if not images:
        raise UserError("there is no image in it, so there is nothing to write")
    is_file = is_stream(path) or (bool(path.suffix) and not path.is_dir())
    if len(images) == 1 and is_file:
        return [path]
    if is_file:
        raise one_each(format, len(images), path)
    names = [name_of(image) for image in images]
    if double := next((name for name, n in Counter(names).items() if n > 1), None):
        raise UserError(f"two images are named {double!r}: write them one after the other")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is a file: name a folder") from None
    except OSError as error:
        raise unwritable(path, error) from error
    return [path / f"{name}{format.ending}" for name in names]


def one_each(format: Format, count: int, path: Path) -> UserError:
    """Say that several images do not go into one file of a format."""
    return UserError(
        f"{format.title} has a file an image, and there are {count:,} images: name a folder "
        f"instead of {path}"
    )


def name_of(image: ImageRecord) -> str:
    """Return what files of an image are called: its stem, plane and channel."""
    stem = PurePath(image.file_name.replace("\\", "/")).stem
    plane = image.extra.get("plane")
    numbers = plane if isinstance(plane, list) else []
    channel = [f"c{image.channels[0]}"] if len(image.channels) == 1 else []
    return "_".join([stem, *(f"{n}" for n in numbers), *channel])
