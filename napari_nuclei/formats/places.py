"""Which file an image's nuclei go to, where a format has a file or a folder an image."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from ..atomic_files import unwritable
from ..errors import FormatError, UserError
from ..nuclei import ImageRecord
from ..streams import is_stream
from .format import Format
from .image_ids import plane_of

_FORBIDDEN = re.compile(r'[<>:"|?*]' if os.name == "nt" else "(?!)")


def places(path: Path, images: Sequence[ImageRecord], format: Format) -> list[Path]:
    """Return one file for each image, and make the folder that they go to.

    Raises
    ------
    UserError
        If there is no image, two have the same name but for the ending, or the folder cannot
        be made.
    """
    if not images:
        raise FormatError("there is no image in it, so there is nothing to write")
    is_file = is_stream(path) or (bool(path.suffix) and not path.is_dir())
    if len(images) == 1 and is_file:
        return [path]
    if is_file:
        raise one_each(format, len(images), path)
    names = names_of(images)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FormatError(f"{path} is a file: name a folder") from None
    except OSError as error:
        raise unwritable(path, error) from error
    check_case(names, path)
    return [path / f"{name}{format.ending}" for name in names]


def one_each(format: Format, count: int, path: Path) -> UserError:
    """Say that several images do not go into one file of a format."""
    return FormatError(
        f"{format.title} has one file per image, and there are {count:,} images: name a folder "
        f"instead of {path}"
    )


def name_of(image: ImageRecord) -> str:
    """Return what files of an image are called: its stem, the plane of a stack, and the channel.

    Whatever a file says of the image's name, this is the name of a file and leads nowhere else.
    """
    stem = PurePath(image.file_name.replace("\\", "/")).stem
    stem = _FORBIDDEN.sub("_", "".join(map(_writable, stem)))
    if not stem.strip(". "):
        stem = "image"
    channel = [f"c{image.channels[0]}"] if len(image.channels) == 1 else []
    return "_".join([stem, *(f"{n}" for n in plane_of(image)), *channel])


def _writable(character: str) -> str:
    """Replace what no name of a file can have."""
    lone = 0xD800 <= ord(character) < 0xE000
    escaped = 0xDC80 <= ord(character) < 0xDD00  # a byte of a name that is not UTF-8
    control = unicodedata.category(character) == "Cc"
    return "_" if control or (lone and not escaped) else character


def names_of(images: Iterable[ImageRecord]) -> list[str]:
    """Return what the files of each image are called, which is another name for each of them.

    Raises
    ------
    UserError
        If two would be called the same.
    """
    names: dict[str, ImageRecord] = {}
    for image in images:
        name = name_of(image)
        if name in names:
            raise FormatError(
                f"two images are named {name}, {names[name].file_name} and {image.file_name}: "
                "write them separately"
            )
        names[name] = image
    return list(names)


def check_case(names: Sequence[str], folder: Path) -> None:
    """Refuse names that the disk of a folder takes for the same one."""
    alike: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in alike and _is_case_blind(folder):
            raise FormatError(
                f"two images are named {alike[key]} and {name}, which is one name on this disk: "
                "write them separately"
            )
        alike[key] = name


def _is_case_blind(folder: Path) -> bool:
    """Whether a folder's disk takes small and capital letters for the same; only trying tells."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".case-", suffix=".x") as file:
            return Path(file.name.removesuffix(".x") + ".X").exists()
    except OSError:
        return False
