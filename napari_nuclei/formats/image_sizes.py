"""Whether an image is of the size that a file says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import ImageMismatchError, UserError
from ..images.decoders import turn_hint
from ..images.images import image_size
from ..nuclei import ImageRecord
from ..wording import px
from .image_names import listed

Shape = tuple[int, int]


def other_size(path: object, size: Shape, said: Shape, source: object) -> UserError:
    """Say that an image is not of the size that a file says; both are (height, width)."""
    hint = turn_hint(path, size, said) if isinstance(path, Path) else ""
    return ImageMismatchError(
        f"{path} is {size[0]}×{size[1]} px, but it is {said[0]}×{said[1]} px in {source} "
        f"(height × width). Is it the right image?{hint}"
    )


def reach_beyond(source: object, extent: Shape, image: object, size: Shape) -> ImageMismatchError:
    """Say that the nuclei of a file reach beyond an image; both are (height, width)."""
    return ImageMismatchError(
        f"{source}: its nuclei reach to {px(extent)}, but {image} is {size[0]}×{size[1]}: "
        "is it the right image?"
    )


def check_size(path: Path, said: Shape, source: object) -> None:
    """Compare the size of an image file with what a file says of it.

    Raises
    ------
    UserError
        If it is another one, or the image cannot be read.
    """
    size = image_size(path)
    if size != said:
        raise other_size(path, size, said, source)


def check_sizes(
    records: Iterable[ImageRecord], files: Mapping[str, Path], source: object
) -> list[str]:
    """Compare the sizes of all images that are at hand.

    Parameters
    ----------
    files : mapping of str to Path
        The images that were found, by the names that the records have.
    source : object
        What the records are of, for messages.

    Returns
    -------
    list of str
        Remarks on images that cannot be read, whose sizes are not compared.

    Raises
    ------
    UserError
        If one is of another size.
    """
    there = [(files[r.file_name], r.shape) for r in records if r.file_name in files]
    paths = list(dict.fromkeys(path for path, _ in there))
    with ThreadPoolExecutor(8, "sizes") as pool:  # most of it is waiting for the disk
        sizes = dict(zip(paths, pool.map(_size_of, paths), strict=True))
    wrong = [
        (path, size, said) for path, said in there if (size := sizes[path]) not in (None, said)
    ]
    if wrong:
        path, size, said = wrong[0]
        assert size is not None
        more = f" So are {len(wrong) - 1:,} more." if len(wrong) > 1 else ""
        raise ImageMismatchError(f"{other_size(path, size, said, source)}{more}")
    unread = [path.name for path in paths if sizes[path] is None]
    if not unread:
        return []
    return [f"The sizes of {listed(unread)} are not compared: the images cannot be read."]


def _size_of(path: Path) -> Shape | None:
    try:
        return image_size(path)
    except UserError:
        return None
