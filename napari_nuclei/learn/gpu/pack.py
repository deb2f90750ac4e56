"""A pack: images, truth, recipe and first weights of a training run as one file.

Reading needs neither pydantic nor pycocotools.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from ...atomic_files import replacing
from ...errors import TrainingError
from ...images.levels import HIGH, LOW, normalize
from ...models.maskrcnn import Architecture
from ..examples import Example, flattened, outside, pixels_of, scaled

if TYPE_CHECKING:
    from ..parts import Part
    from ..recipe import Recipe

MAX_PACK_BYTES = 40_000_000
"""Bytes that a pack may have."""

QUALITIES = ((None, None), (None, 95), (95, 95), (90, 90), (80, 80), (60, 60))
"""Of WebP, for gray and for coloured images, best first; None loses nothing."""

LONGEST = 16383
"""Px that WebP can have along a side."""


Quality = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image as it was read, and its truth.

    Attributes
    ----------
    pixels : ndarray
        (H, W) or (H, W, 3) uint8.
    labels : (H, W) int32
        Nuclei; of those that overlap, the smaller one lies on top.
    known : (H, W) bool or None
        Where somebody has looked; None for everywhere.
    zoom : float
        By what the image is resized for the network.
    group : str
        The modality.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    known: NDArray[np.bool_] | None
    zoom: float
    group: str

    def example(self) -> Example:
        """Bring it to the network's scale."""
        return scaled(self.pixels, self.labels, self.zoom, self.group, self.known)


@dataclass(frozen=True, slots=True)
class Pack:
    """What is in a pack.

    Attributes
    ----------
    recipe : Recipe
        Of plain values, with its fields but none of its methods.
    arch : Architecture
        Of the network.
    start : dict of Tensor or None
        Weights to begin with; random ones where it has none.
    learned, checks : list of Annotated
        What is learned from, and what tells how good the weights are.
    """

    recipe: Recipe
    arch: Architecture
    start: dict[str, Tensor] | None
    learned: list[Annotated] = field(default_factory=list)
    checks: list[Annotated] = field(default_factory=list)


# -- writing ----------------------------------------------------------------------------


def packed_run(recipe: Recipe, folder: Path, start: Path | None = None) -> Pack:
    """Gather what a recipe's run needs.

    Parameters
    ----------
    folder : Path
        What the recipe's data paths are relative to.
    start : Path, optional
        A checkpoint, whose averaged weights are begun with instead of the recipe's.

    Raises
    ------
    UserError
        If data or weights cannot be read.
    """
    from ..parts import parts_of
    from ..run import begun

    learned, checks = parts_of(recipe, folder)
    arch, weights = begun(recipe) if start is None else averaged(start)
    each = (
        [item for part in parts for item in annotated(part, recipe.diameter)]
        for parts in (learned, checks)
    )
    return Pack(recipe, arch, weights, *each)


def averaged(checkpoint: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Return network and averaged weights of a checkpoint."""
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return Architecture.from_dict(saved["arch"]), saved["ema"]
    except Exception:  # torch raises whatever a broken file brings up
        raise TrainingError(f"{checkpoint}: no checkpoint, or damaged.") from None


def annotated(part: Part, diameter: float) -> Iterable[Annotated]:
    """Yield the images of a data set."""
    for image in part.data.images:
        nuclei = part.data.of(image)
        masks = [n.mask for n in nuclei.shown()]
        labels, zoom = flattened(image.shape, masks, diameter)
        crowds = [c.mask for c in nuclei.crowds]
        known = outside(image.shape, crowds)
        pixels = as_bytes(pixels_of(image, part.images))
        yield Annotated(pixels, labels, known, zoom, image.modality)


def as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image of 8 bits with one or three channels; such a one stays as it is."""
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3):
        return pixels
    levels = (normalize(pixels) - LOW) / (HIGH - LOW)
    return np.asarray((255 * levels).round(), np.uint8)


def write_pack(path: Path, pack: Pack, most: int = MAX_PACK_BYTES) -> Quality:
    """Write a pack, with as little loss in the images as its size allows.

    Returns
    -------
    Quality
        Of gray and of coloured images, as WebP has it; None if nothing was lost.

    Raises
    ------
    UserError
        If it cannot be written, or would be too large even so.
    """
    size = 0
    for quality in QUALITIES:
        data = _packed(pack, quality)
        if (size := len(data)) <= most:
            with replacing(path) as file:
                file.write(data)
            return quality
    raise TrainingError(
        f"the pack would have {size / 1e6:.0f} MB, {most / 1e6:.0f} are allowed: learn from fewer "
        "images, or leave out those of the validation part."
    )


def _packed(pack: Pack, quality: Quality) -> bytes:
    whole = io.BytesIO()
    about: dict[str, Any] = {
        "recipe": pack.recipe.model_dump(mode="json"),
        "architecture": pack.arch.to_dict(),
        "learned": [],
        "checks": [],
    }
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:  # all is compressed already
        if pack.start is not None:
            archive.writestr("start.safetensors", to_bytes(halved(pack.start)))
        for kind, items in (("learned", pack.learned), ("checks", pack.checks)):
            for number, item in enumerate(items):
                name = f"{kind}/{number}"
                archive.writestr(f"{name}.image", _compressed(item.pixels, quality))
                archive.writestr(f"{name}.labels.png", _png(item.labels.astype(np.uint16)))
                if item.known is not None:
                    archive.writestr(f"{name}.known.png", _png(item.known))
                row = {"zoom": item.zoom, "group": item.group, "channels": item.pixels.ndim}
                about[kind].append({**row, "known": item.known is not None})
        archive.writestr("pack.json", json.dumps(about))
    return whole.getvalue()


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as float16, but what is small: biases, and what normalisation knows."""
    return {
        name: (t.half() if t.ndim > 1 and t.is_floating_point() else t).contiguous()
        for name, t in state.items()
    }


def _compressed(pixels: NDArray[np.uint8], quality: Quality) -> bytes:
    if max(pixels.shape[:2]) > LONGEST:
        return _png(pixels)
    out = io.BytesIO()
    gray = pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all())
    good = quality[0 if gray else 1]
    how = {"lossless": True, "quality": 60} if good is None else {"quality": good}
    Image.fromarray(pixels).convert("RGB").save(out, "WEBP", **how)
    return out.getvalue()


def _png(array: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", optimize=True)
    return out.getvalue()


# -- reading ----------------------------------------------------------------------------


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises
    ------
    UserError
        If it is missing, or not a whole pack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(files["pack.json"])
        learned, checks = (
            _each(partial(_read, files, kind), about[kind]) for kind in ("learned", "checks")
        )
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path}: not a pack, or cut short ({error}): write it again."
        ) from None
    recipe = json.loads(json.dumps(about["recipe"]), object_hook=lambda d: SimpleNamespace(**d))
    start = files.get("start.safetensors")
    return Pack(
        cast("Recipe", recipe),
        Architecture.from_dict(about["architecture"]),
        None if start is None else {n: t.float() for n, t in from_bytes(start).items()},
        learned,
        checks,
    )


def _each(
    read: Callable[[int, dict[str, Any]], Annotated], rows: Sequence[dict[str, Any]]
) -> list[Annotated]:
    with ThreadPoolExecutor() as pool:  # decoders work beside each other
        return list(pool.map(read, range(len(rows)), rows))


def _read(files: dict[str, bytes], kind: str, number: int, row: dict[str, Any]) -> Annotated:
    name = f"{kind}/{number}"
    pixels = _array(files[f"{name}.image"])
    known = _array(files[f"{name}.known.png"]).astype(bool) if row["known"] else None
    return Annotated(
        pixels if pixels.ndim == row["channels"] else pixels[..., 0],
        _array(files[f"{name}.labels.png"]).astype(np.int32),
        known,
        row["zoom"],
        row["group"],
    )


def _array(data: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)
