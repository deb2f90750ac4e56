"""One plane of pixels from an image file of whatever kind.

Here: the choice of a plane and of channels, all formats that Pillow reads, and one clear line
for every file that cannot be read. Not here: TIFF (`tiff.py`), finding files and normalising
pixels (`images.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..wording import option
from .tiff import open_tiff

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[Any]
Channels = int | Sequence[int]

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
        Size of one plane in px.
    planes : int
        How many planes a stack or film has; 1 for an ordinary image.
    channels : int
        How many separate channels a plane has; 1 for gray and for RGB.
    """

    height: int
    width: int
    planes: int = 1
    channels: int = 1


def inspect(path: Path) -> ImageInfo:
    """Tell what an image file holds. Raises `UserError` as `decode`."""
    with _reading(path):
        if starts_with(path, TIFF_MAGIC):
            with open_tiff(path) as array:
                sizes = dict(zip(array.axes, array.shape, strict=True))
                planes = math.prod(_plane_shape(array.axes, array.shape))
                return ImageInfo(sizes["Y"], sizes["X"], planes, sizes.get("C", 1))
        with _pillow(path) as image:
            return ImageInfo(image.height, image.width, _frames(image))


def decode(path: Path, plane: int | None, channels: Channels | None) -> Pixels:
    """Read one plane; see `images.read_image`, which is this."""
    with _reading(path):
        if starts_with(path, TIFF_MAGIC):
            with open_tiff(path) as array:
                pixels = to_plane(array, array.axes, plane, channels)
        else:
            with _pillow(path) as image:
                image.seek(pick_plane(_frames(image), plane))
                pixels = _colours(_pillow_pixels(image, path), channels)
        if not pixels.size:
            raise UserError(f"the image is empty (shape {pixels.shape})")
        if pixels.dtype.kind not in "buif":
            raise UserError(f"pixels of type {pixels.dtype} are not supported: save real numbers")
        return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into one line that names the file."""
    try:
        if path.is_dir():
            raise UserError("is a folder, not an image")
        if not path.stat().st_size:
            raise UserError("the file is empty (0 bytes)")
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except PermissionError as error:
        raise UserError(f"{path}: permission denied") from error
    except MemoryError as error:
        raise UserError(f"{path}: too large for this machine's memory") from error
    except Exception as error:  # decoders raise nearly anything on broken files
        from PIL import Image, UnidentifiedImageError

        if isinstance(error, Image.DecompressionBombError):
            raise UserError(f"{path}: too large for its format, save it as TIFF") from error
        if isinstance(error, UnidentifiedImageError):
            raise UserError(f"{path}: not an image of a kind that can be read") from error
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path}: broken or cut short ({reason})") from error


def starts_with(path: Path, magic: tuple[bytes, ...]) -> bool:
    """Whether a file begins with one of these."""
    with path.open("rb") as file:
        return file.read(8).startswith(magic)


# -- choosing a plane -----------------------------------------------------------------


def to_plane(
    array: Any, axes: str, plane: int | None = None, channels: Channels | None = None
) -> Pixels:
    """Take one plane out of an array with named axes.

    Parameters
    ----------
    array : array-like with `shape`
        Any dimensions; indexed once, so that a lazy array loads no other plane.
    axes : str
        A letter for each dimension: Y, X; S for the samples of RGB(A) or gray and alpha;
        C for separate channels; any other (Z, T, …) counts planes.
    plane, channels
        As for `images.read_image`.

    Returns
    -------
    ndarray, (H, W) or (H, W, 3)
        Alpha is dropped; where two channels are chosen the third colour is zero.

    Raises
    ------
    UserError
        If there is no such plane or channel, or several and none is named.
    """
    stack = _plane_shape(axes, array.shape)
    number = pick_plane(math.prod(stack), plane)
    at = iter(np.unravel_index(number, stack) if stack else ())
    index = tuple(slice(None) if a in "YXSC" else int(next(at)) for a in axes)
    left = [a for a in axes if a in "YXSC"]
    found = np.asarray(array[index])
    if "C" in left and "S" in left:
        raise UserError("separate channels of RGB pixels are not supported")
    found = found.transpose([left.index(a) for a in "YXSC" if a in left])
    return _separate(found, channels) if "C" in left else _colours(found, channels)


def pick_plane(count: int, plane: int | None) -> int:
    """Check the choice of one of `count` planes, or say that one must be made."""
    if plane is None and count > 1:
        raise UserError(
            f"stack of {count} planes: name one with {option('plane')} (0 to {count - 1})"
        )
    if not 0 <= (plane or 0) < count:
        raise UserError(f"no plane {plane}: there are {count}, counted from 0")
    return plane or 0


def pick_channels(pixels: Pixels, channels: Channels) -> Pixels:
    """Take one channel, (H, W), or two or three as (H, W, 3), from (H, W, C)."""
    wanted = [channels] if isinstance(channels, int | np.integer) else list(channels)
    count = pixels.shape[2]
    if not 1 <= len(wanted) <= 3:
        raise UserError(f"{len(wanted)} channels named: name one to three")
    if wrong := [c for c in wanted if not 0 <= c < count]:
        raise UserError(f"no channel {wrong[0]}: there are {count}, counted from 0")
    chosen = pixels[..., [int(c) for c in wanted]]
    if len(wanted) == 1:
        return chosen[..., 0]
    return np.pad(chosen, ((0, 0), (0, 0), (0, 3 - len(wanted))))


def _separate(pixels: Pixels, channels: Channels | None) -> Pixels:
    count = pixels.shape[2]
    if channels is None and count > 1:
        raise UserError(
            f"{count} channels: name one, or up to three, with {option('channels')} "
            f"(0 to {count - 1})"
        )
    return pick_channels(pixels, 0 if channels is None else channels)


def _colours(pixels: Pixels, channels: Channels | None) -> Pixels:
    """Drop alpha and a lone last axis; take channels of what is left where any are named."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    pixels = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    if channels is not None:
        return pick_channels(pixels, channels)
    return pixels if pixels.shape[2] == 3 else pixels[..., 0]


def _plane_shape(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for a, n in zip(axes, shape, strict=True) if a not in "YXSC")


# -- all other formats ----------------------------------------------------------------


@contextmanager
def _pillow(path: Path) -> Iterator[Image]:
    from PIL import Image

    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        yield image


def _frames(image: Image) -> int:
    # The further pictures of a camera's MPO file are previews and other views.
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def _pillow_pixels(image: Image, path: Path) -> Pixels:
    mode = image.mode
    if image.format == "PNG" and mode not in ("I;16", "I") and _bit_depth(path) == 16:
        from imagecodecs import png_decode  # Pillow would keep 8 of the 16 bits

        return np.asarray(png_decode(path.read_bytes()))
    if mode in ("P", "PA"):
        image = image.convert("RGBA")
    elif mode in ("LA", "La"):
        image = image.getchannel(0)
    elif mode not in ("1", "L", "I", "F", "RGB", "RGBA") and not mode.startswith("I;16"):
        image = image.convert("RGB")
    return np.asarray(image)


def _bit_depth(path: Path) -> int:
    """Bits a sample of a PNG file, from its first chunk."""
    with path.open("rb") as file:
        return file.read(25)[24]
