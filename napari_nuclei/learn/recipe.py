"""A training recipe: what its TOML file may say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import RecipeError
from ..models.registry import find
from ..resources import resource_folder

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSet(_Table):
    """A COCO file, the folder of its images, and a table of their groups (`learn.groups`)."""

    coco: Path
    images: Path
    groups: Path | None = None


class Data(_Table):
    """What is learned from, and what the best checkpoint is chosen by.

    With `folds`, the training images are grouped by experiment and dealt into so many folds
    (`learn.groups`); fold `hold_out` is not learned from, and what is chosen by comes from it.
    """

    train: tuple[DataSet, ...] = ()
    validation: tuple[DataSet, ...] = ()
    folds: Count | None = None
    hold_out: Annotated[int, Field(ge=0)] = 0
    balance: Share = 0.4


class Augment(_Table):
    """How often (0…1) a crop is changed in ways that make nuclei hard to see.

    Attributes
    ----------
    stain, jpeg : float
        The whole crop: haematoxylin and eosin mixed anew; compressed.
    dim, defocus, paste : float
        Some of its nuclei: paler, out of focus, copied to the edge of others.
    """

    stain: Share = 0
    jpeg: Share = 0
    dim: Share = 0
    defocus: Share = 0
    paste: Share = 0


class Network(_Table):
    """Fields of `models.maskrcnn.Architecture`, and the weights to start from.

    `start` is a whole model's; `pretrained` fills the trunk with published ImageNet weights.
    """

    trunk: Literal[
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "efficientnet-lite0",
        "efficientnet-lite1",
        "efficientnet-lite2",
    ] = "resnet18"
    channels: Count = 128
    anchors: tuple[Count, Count, Count, Count, Count] = (12, 24, 48, 96, 160)
    box_hidden: Count = 384
    mask_channels: Count = 96
    mask_layers: Count = 4
    size_head: bool = False
    start: str | None = None
    pretrained: bool = False


class Schedule(_Table):
    """Steps, learning rate and how often to save and validate.

    `steps`, where given, is how long to train: the same on any machine. Else `minutes` is.
    A size head learns for `size_steps` once the rest is done.
    """

    steps: Count | None = None
    size_steps: Count = 1000
    minutes: Positive = 120
    batch: Count = 4
    crop: Count = 256
    rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup_steps: Count = 200
    decay_from: Share = 0.4
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    zoom_spread: Annotated[float, Field(ge=0)] = 0.3
    save_minutes: Positive = 5
    validate_minutes: Positive = 30
    validate_steps: Count | None = None
    freeze_norm: bool = False
    workers: Annotated[int, Field(ge=0)] = 1
    seed: int = 0


class Card(_Table):
    """What the model card says beside the figures."""

    licence: str = "unknown"
    data: str = ""
    description: str = ""


class Recipe(_Table):
    """One training run.

    Attributes
    ----------
    name : str
        Name of the model that it makes.
    out : Path
        Folder of checkpoints, losses and curves.
    diameter : float
        Diameter of the typical nucleus, in px of the network's input.
    """

    name: str
    out: Path
    diameter: Positive = 26
    data: Data = Data()
    augment: Augment = Augment()
    network: Network = Network()
    schedule: Schedule = Schedule()
    card: Card = Card()


def read_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe; `changes` (nested tables) replace what the file says.

    Raises
    ------
    UserError
        If the file is missing, is not TOML, or says something a recipe may not say.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = resource_folder("training")
        raise RecipeError(f"{path}: no such recipe. Shipped recipes are in {shipped}.") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from None
    try:
        return Recipe.model_validate(_merged(values, changes or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{path}: {where}: {first['msg']}") from None


def check_places(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Find out, before anything takes time, whether what a recipe names is there.

    Raises
    ------
    UserError
        If it names no data or some that are not in `folder`, no model that there is to start
        from, or, to `resume`, there is nothing.
    """
    if not recipe.data.train:
        raise RecipeError("the recipe names no training data: add [[data.train]] to it.")
    for source in (*recipe.data.train, *recipe.data.validation):
        images, data = folder / source.images, folder / source.coco
        if not images.is_dir():
            raise RecipeError(
                f"{images}: no such folder of images. Name the data folder with --data."
            )
        if not data.is_file():
            raise RecipeError(f"cannot read {data}: there is no such file")
    if recipe.network.start:
        find(recipe.network.start)
    last = recipe.out / "last.ckpt"
    if resume and not last.is_file():
        raise RecipeError(f"{last}: nothing to resume. Omit --resume to start over.")


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    out = dict(values)
    for key, value in changes.items():
        old = out.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        out[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return out
