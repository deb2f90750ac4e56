"""One plane of pixels from an image file of whatever kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ImageError
from .planes import TURNS, Channels, LazyPlane, Pixels, pick_plane, planes_of, to_plane
from .tiff import ORIENTATION, open_tiff
from .trouble import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "TIFF_MAGIC",
    "Channels",
    "ImageInfo",
    "Pixels",
    "check_type",
    "decode",
    "inspect",
    "is_turned",
    "open_picture",
    "pick_plane",
    "starts_with",
    "stored_pixels",
    "to_plane",
    "turn_hint",
]

# No EPS or PDF: Pillow would start another program for them.
_PILLOW_FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "DIB",
    "GIF",
    "WEBP",
    "JPEG2000",
    "PPM",
    "TGA",
)
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a file holds, found without decoding its pixels.

    Attributes
    ----------
    height, width : int
        Size of one plane in px, upright.
    planes : int
        How many planes a stack or film has; 1 for an ordinary image.
    channels : int
        How many separate channels a plane has; 1 for gray and for RGB.
    orientation : int
        Which way up the file keeps its pixels, as EXIF has it: 1 if they are upright.
    """

    height: int
    width: int
    planes: int = 1
    channels: int = 1
    orientation: int = 1


def inspect(path: Path) -> ImageInfo:
    """Tell what an image file holds. Raises `UserError` as `decode`."""
    with _reading(path):
        if starts_with(path, TIFF_MAGIC):
            with open_tiff(path) as array:
                sizes = dict(zip(array.axes, array.shape, strict=True))
                planes = planes_of(array.axes, array.shape)
                return _info(sizes["Y"], sizes["X"], planes, sizes.get("C", 1), array.orientation)
        with open_picture(path) as image:
            return _info(image.height, image.width, _frames(image), 1, _orientation(image))


def is_turned(path: Path) -> bool:
    """Whether a file keeps its image other than upright; False where that cannot be told."""
    try:
        about = path.stat()
    except OSError:
        return False
    return _is_turned(path.absolute(), about.st_size, about.st_mtime_ns)


@lru_cache(256)
def _is_turned(path: Path, size: int, modified: int) -> bool:
    import tifffile

    try:
        if not path.is_file():
            return False
        if starts_with(path, TIFF_MAGIC):
            with tifffile.TiffFile(path) as file:
                return file.pages.first.tags.valueof(ORIENTATION, 1) in TURNS
        with open_picture(path) as image:
            return _orientation(image) in TURNS
    except Exception:  # reading it says what is wrong
        return False


def turn_hint(path: Path, size: tuple[int, int], said: tuple[int, int]) -> str:
    """Say why an image may be of another size than a file says: EXIF turns it; mostly empty.

    Parameters
    ----------
    size, said : (int, int)
        Height and width that it has, and that the file says.
    """
    if size != said[::-1] or not is_turned(path):
        return ""
    return (
        " The image is stored rotated, and turned upright as its EXIF tag says; that file fits "
        "it as stored."
    )


def _info(height: int, width: int, planes: int, channels: int, orientation: int) -> ImageInfo:
    if orientation not in TURNS:
        return ImageInfo(height, width, planes, channels)
    size = (width, height) if TURNS[orientation][0] else (height, width)
    return ImageInfo(*size, planes, channels, orientation)


def decode(path: Path, plane: int | None, channels: Channels | None) -> Pixels:
    """Read one plane, (H, W) or (H, W, C); see `images.read_image`."""
    with _reading(path):
        if starts_with(path, TIFF_MAGIC):
            with open_tiff(path) as array:
                chosen = array.choice(plane, channels)
                found = LazyPlane(array, array.axes, *chosen, orientation=array.orientation)
                pixels = _checked(found)
        else:
            with open_picture(path) as image:
                image.seek(pick_plane(_frames(image), plane))
                whole, way_up = _pillow_pixels(image, path), _orientation(image)
                axes = "YXS" if whole.ndim == 3 else "YX"
                pixels = _checked(LazyPlane(whole, axes, None, channels, orientation=way_up))
        return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))


def _checked(plane: LazyPlane) -> Pixels:
    if not all(plane.shape):
        raise ImageError(f"the image is empty (shape {plane.shape})")
    check_type(plane.dtype)
    return np.asarray(plane)


def check_type(dtype: np.dtype) -> None:
    """Refuse pixels that are no real numbers."""
    if dtype.kind not in "buif":
        raise ImageError(f"pixels of type {dtype} are not supported: save real numbers")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into one line that names the file."""
    with one_line(path):
        if path.is_dir():
            raise ImageError("is a folder, not an image")
        if path.is_symlink() and not path.exists():
            raise ImageError("a broken link: its target is missing")
        if not path.stat().st_size:
            raise ImageError("the file is empty (0 bytes)")
        yield


def starts_with(path: Path, magic: tuple[bytes, ...]) -> bool:
    """Whether a file begins with one of these."""
    with path.open("rb") as file:
        return file.read(8).startswith(magic)


# -- all other formats ----------------------------------------------------------------


@contextmanager
def open_picture(path: Path) -> Iterator[Image]:
    """Open a file of a format that Pillow reads; its pixels are decoded when they are needed."""
    from PIL import Image

    # Of images that are large but not too large, and of damaged notes beside the pixels.
    # For good: `catch_warnings` would be undone by other threads that read.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", "Corrupt EXIF data|Truncated File Read")
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        yield image


def _frames(image: Image) -> int:
    # The further pictures of a camera's MPO file are previews and other views.
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def _orientation(image: Image) -> int:
    """Return which way up the pixels are kept, as EXIF notes it."""
    import PIL.Image

    try:
        # Not a PNG's own, which decodes all of it to look behind the pixels.
        noted = PIL.Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # damaged notes raise nearly anything, and spoil no pixel
        return 1
    return noted if isinstance(noted, int) else 1


def _pillow_pixels(image: Image, path: Path) -> Pixels:
    mode = image.mode
    if image.format == "PNG" and mode not in ("I;16", "I") and _bit_depth(path) == 16:
        from imagecodecs import png_decode  # Pillow would keep 8 of the 16 bits

        return np.asarray(png_decode(path.read_bytes()))
    if image.format == "JPEG2000" and mode in ("RGB", "RGBA", "LA"):
        from imagecodecs import jpeg2k_decode

        deep = np.asarray(jpeg2k_decode(path.read_bytes()))
        if deep.dtype.itemsize > 1:
            return deep
    if image.format == "PPM" and mode == "RGB":
        _refuse_deep_ppm(path)
    if mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif mode in ("LA", "La"):
        image = image.getchannel(0)
    elif mode not in ("1", "L", "I", "F", "RGB", "RGBA") and not mode.startswith("I;16"):
        image = image.convert("RGB")
    return np.asarray(image)


def stored_pixels(image: Image, path: Path) -> Pixels:
    """Return the numbers of a picture as they are stored, upright: of a palette not its colours.

    Where 0 is not the palette's black, but another number is, it is no palette of labels, and
    its colours are returned.

    Raises
    ------
    UserError
        If it has several frames.
    """
    pick_plane(_frames(image), None)
    whole = np.asarray(image) if image.mode == "P" else _pillow_pixels(image, path)
    if image.mode == "P" and image.palette is not None:
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        black = np.flatnonzero(~colours.any(1))
        if len(black) and black[0] and np.isin(whole, black).any():
            whole = _pillow_pixels(image, path)
    swapped, upside_down, mirrored = TURNS.get(_orientation(image), (False,) * 3)
    whole = whole.swapaxes(0, 1) if swapped else whole
    return whole[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _refuse_deep_ppm(path: Path) -> None:
    with path.open("rb") as file:
        words = [w for row in file.read(512).split(b"\n") for w in row.split(b"#")[0].split()]
    if len(words) > 3 and words[3].isdigit() and int(words[3]) > 255:
        raise ImageError("colours of more than 8 bits are not read from PPM: save it as TIFF")


def _bit_depth(path: Path) -> int:
    """Bits a sample of a PNG file, from its first chunk."""
    with path.open("rb") as file:
        return file.read(25)[24]
