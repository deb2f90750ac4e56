"""Whatever a decoder raises → one line that names the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ImageError, UserError

_UNKNOWN = re.compile(r"not a known COMPRESSION|cannot decompress|not supported", re.IGNORECASE)
"""What tifffile says of compressions that it does not know."""


@contextmanager
def one_line(source: object, broken: str = "broken or cut short") -> Iterator[None]:
    """Turn what reading a file raises into a `UserError` of one line that names it.

    Parameters
    ----------
    source : object
        The file.
    broken : str
        What it is if none of the known things is wrong with it.
    """
    try:
        yield
    except UserError as error:
        raise _named(source, str(error)) from error
    except FileNotFoundError as error:
        raise _named(source, "no such file") from error
    except PermissionError as error:
        raise _named(source, "permission denied") from error
    except MemoryError as error:
        raise _named(source, "too large for this machine's memory") from error
    except Exception as error:  # decoders raise nearly anything on broken files
        raise _named(source, _reason(error, broken)) from error


def _reason(error: Exception, broken: str) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return "too large for its format, save it as TIFF"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a format that can be read"
    if isinstance(error, NotImplementedError) or _UNKNOWN.search(str(error)):
        return f"stored in a way that cannot be read ({_short(error)}): save it in another way"
    return f"{broken} ({_short(error)})"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _named(source: object, text: str) -> UserError:
    name = str(source)
    return ImageError(f"{name}: {text}" if name and not text.startswith(name) else text)
