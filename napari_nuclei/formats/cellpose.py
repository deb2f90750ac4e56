"""Cellpose's `_seg.npy`: read without running what a pickle could carry.

Such a file is a pickled dict; of all that a pickle may name, only what numpy arrays and plain
values are made of is let in. It is read and never written: Cellpose opens the label TIFFs of this
project.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import unreadable
from ..errors import FormatError, UserError
from ..nuclei import ImageRecord, Nuclei
from ..nuclei.label_check import whole
from ..nuclei.labels import from_labels
from .image_names import last_of
from .sidecar import Sidecar, stem_of

MAGIC = b"\x93NUMPY"


def read(path: Path, sidecar: Sidecar) -> tuple[ImageRecord, Nuclei]:
    """Read the masks of a `_seg.npy` file; all else in it is passed over.

    Raises
    ------
    UserError
        If it is no such file, holds anything but arrays and plain values, or a stack.
    """
    found = _unpickled(path)
    masks = found.get("masks") if isinstance(found, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "iubf":
        raise FormatError(f"{path} holds no label image named 'masks': save it again in Cellpose")
    masks = np.squeeze(masks) if masks.ndim > 2 else masks
    if masks.ndim != 2:
        raise FormatError(f"{path} holds masks of shape {masks.shape}: only single planes are read")
    try:
        nuclei = from_labels(whole(masks), path.name)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    name = found.get("filename")
    said = [name] if isinstance(name, str) and last_of(name) else []
    image = sidecar.image_of(path, *said)
    file_name = image.name if image else last_of(said[0]) if said else stem_of(path)
    return ImageRecord(1, file_name, *nuclei.shape), nuclei


def _unpickled(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if not data.startswith(MAGIC):
        raise FormatError(f"{path} is not a .npy file: save it again in Cellpose")
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        _, _, dtype = header(stream)
        if dtype.kind != "O":
            raise FormatError(f"{path} holds a plain array, not what Cellpose saves: its masks")
        value = _Careful(stream).load()
        return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    except UserError as error:
        raise FormatError(str(error) if str(path) in str(error) else f"{path} {error}") from None
    except Exception as error:  # damaged pickles raise nearly anything
        raise FormatError(f"{path} is damaged or cut short: save it again in Cellpose") from error


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for `codecs.encode`, which would also unpack and decode."""
    if encoding != "latin1":
        raise FormatError("holds an odd encoding, and is not read for safety")
    return text.encode("latin1")


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if np.dtype(dtype).hasobject:
        raise FormatError("holds an odd number, and is not read for safety")
    return np.frombuffer(data, dtype, 1)[0]


class _Array:
    """Stands in for `numpy.ndarray`, which could be called with any buffer: see `_empty`."""

    def __new__(cls, *arguments: Any) -> Any:
        raise FormatError("holds an odd array, and is not read for safety")


def _empty(cls: type, shape: Any, code: Any) -> NDArray[Any]:
    """Return an empty array, as pickles of arrays begin; its contents follow."""
    return np.empty(0, np.int8)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def _allowed() -> dict[tuple[str, str], Any]:
    out: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _encoded,
    }
    for core in ("numpy.core", "numpy._core"):  # older and newer numpy
        out[f"{core}.multiarray", "_reconstruct"] = _empty
        out[f"{core}.multiarray", "scalar"] = _scalar
        out[f"{core}.numeric", "_frombuffer"] = _from_buffer
    plain = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, slice)
    return out | {(m, t.__name__): t for t in plain for m in ("builtins", "__builtin__")}


class _Path:
    """Stands in for a path: only its text is kept."""

    def __new__(cls, *parts: str) -> Any:
        return str(PurePath(*map(str, parts)))


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("pathlib") and name.endswith("Path"):
            return _Path
        try:
            return _allowed()[module, name]
        except KeyError:
            raise FormatError(
                f"holds {module}.{name}, which is not plain data: it is not read for safety. "
                "Save the masks as TIFF in Cellpose instead"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise FormatError("refers to other files, and is not read for safety")
