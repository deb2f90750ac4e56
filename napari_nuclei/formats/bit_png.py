"""PNG images of one bit a pixel, as masks are best kept: a mask → bytes → the mask."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from ..masks import Mask

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PLAIN = b"\1\0\0\0\0"  # one bit, gray, deflated, filtered by row, not interlaced
_BEGIN = struct.Struct(">8sI4sII5sII4s")  # signature, whole header chunk, begin of the next one


def encode(mask: Mask, shape: tuple[int, int]) -> bytes:
    """Return a PNG of one bit a pixel, white on black."""
    height, width = shape
    stride = (width + 7) // 8 + 1  # each row begins with its filter: none
    left = mask.x // 8
    crop = np.zeros((mask.height, (mask.x % 8) + mask.width), bool)
    crop[:, mask.x % 8 :] = mask.to_array()
    bits = np.packbits(crop, axis=1)
    rows = np.zeros((mask.height, stride), np.uint8)
    rows[:, 1 + left : 1 + left + bits.shape[1]] = bits
    # Not all at once: most of a large image is empty rows.
    packer = zlib.compressobj(1)
    pieces = [packer.compress(bytes(stride * mask.y)), packer.compress(rows.tobytes())]
    pieces += [packer.compress(bytes(stride * (height - mask.y - mask.height))), packer.flush()]
    header = struct.pack(">II", width, height) + _PLAIN
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(pieces)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def size_of(content: bytes) -> tuple[int, int] | None:
    """Return height and width that a PNG says it has; None if it is no PNG."""
    if len(content) < _BEGIN.size or not content.startswith(SIGNATURE):
        return None
    _, _, _, width, height, *_ = _BEGIN.unpack_from(content)
    return height, width


def decode(content: bytes, shape: tuple[int, int]) -> Mask | None:
    """Return the mask in a PNG as `encode` makes them; None for every other file.

    Parameters
    ----------
    content : bytes
        Of the file.
    shape : (int, int)
        Height and width that the image must have.
    """
    if size_of(content) != shape:
        return None
    *_, width, height, kind, _, size, name = _BEGIN.unpack_from(content)
    end = _BEGIN.size + size
    if (kind, name) != (_PLAIN, b"IDAT") or content[end + 8 : end + 12] != b"IEND":
        return None
    stride = (width + 7) // 8 + 1
    unpacker = zlib.decompressobj()
    try:
        flat = unpacker.decompress(content[_BEGIN.size : end], height * stride + 1)
    except zlib.error:
        return None
    rows = np.frombuffer(flat, np.uint8)
    if not unpacker.eof or rows.size != height * stride or rows[::stride].any():
        return None  # damaged, or filtered
    rows = rows.reshape(height, stride)[:, 1:]
    ys = np.flatnonzero(rows.any(1))
    if not len(ys):
        return Mask()
    xs = np.flatnonzero(rows[ys[0] : ys[-1] + 1].any(0))
    crop = np.ascontiguousarray(rows[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1])
    left = 8 * int(xs[0])
    return Mask.from_array(np.unpackbits(crop, axis=1)[:, : width - left], int(ys[0]), left)
