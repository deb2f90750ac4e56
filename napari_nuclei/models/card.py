"""Model cards: what is said of a model beside its weights. No torch here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ModelError


class Card(BaseModel):
    """What is known of a model.

    Attributes
    ----------
    name : str
        The name by which it is chosen.
    architecture : dict
        ``{"detector": "maskrcnn", …}``: how to build the network (`models/weights.py`).
    diameter : float
        The typical nucleus, in px of the network's input.
    threshold : float
        Score from which on a detection is shown by default.
    mask_threshold : float
        Soft-mask value from which on a pixel belongs to a nucleus.
    calibration : dict
        ``{"slope": a, "offset": b}``: a raw score s with logit l becomes
        1 / (1 + exp(−(a·l + b))).
    scores : dict
        Data set → figure → value, as `evaluate --json` prints them.
    sha256 : str
        Of the weights file.
    path : Path or None
        Where the card was read from.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str
    architecture: dict[str, Any]
    diameter: float = Field(gt=0)
    threshold: float = Field(0.5, ge=0, le=1)
    mask_threshold: float = Field(0.5, gt=0, lt=1)
    calibration: dict[str, float] = {}
    normalisation: str = "percentiles 1 and 99.8 of the image"
    description: str = ""
    data: str = ""
    licence: str = "unknown"
    base: str = ""
    created: str = ""
    training: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    sha256: str = ""
    path: Path | None = Field(None, exclude=True)

    @property
    def weights(self) -> Path:
        """The weights file beside the card."""
        if self.path is None:
            raise ValueError("this card has not been read from a file")
        return self.path.with_suffix(".safetensors")

    def to_json(self) -> str:
        """Return the text of the card's file."""
        return json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n"


def read_card(path: Path) -> Card:
    """Read a card.

    Raises
    ------
    UserError
        If it is missing or not a card.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Card(**{**values, "path": path})
    except FileNotFoundError:
        raise ModelError(
            f"{path}: no model card. A weights file needs its JSON card beside it."
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from None
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ModelError(f"{path}: not a model card: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: not a model card: {where}: {first['msg']}") from None


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal text."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from None
