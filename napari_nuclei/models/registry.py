"""Which models there are. No torch here."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

from ..errors import ModelError, UserError
from .card import Card, read_card

DEFAULT = "nuclei"
SHIPPED = Path(__file__).parent / "weights"
IN_USE = "in-use.txt"
"""File in the user's folder: the names of the models put to use, a line each, the last counts."""

WEIGHTS = (".safetensors", ".pt", ".pth")
"""Endings of weights files, the best one first."""


def user_folder() -> Path:
    """Return the folder of the user's own models; NAPARI_NUCLEI_MODELS overrides it."""
    chosen = os.environ.get("NAPARI_NUCLEI_MODELS")
    return Path(chosen) if chosen else user_data_path("napari-nuclei", False) / "models"


def cards() -> list[Card]:
    """Return the cards of all models, shipped ones first, the default at the head.

    A card that cannot be read is left out here; `find` says what is wrong with it.
    """
    found: dict[str, Card] = {}
    for folder in (SHIPPED, user_folder()):
        for path in sorted(folder.glob("*.json"), key=lambda p: (p.stem != DEFAULT, p.stem)):
            try:
                card = read_card(path)
            except UserError:
                continue
            found.setdefault(card.name, card)
    return list(found.values())


def find(model: str) -> Card:
    """Find a model by its name or by the path of its weights or card.

    Raises
    ------
    UserError
        If there is no such model.
    """
    path = Path(model)
    if path.suffix in (*WEIGHTS, ".json"):
        if not path.is_file():
            raise ModelError(f"{path}: no such model file.")
        return read_card(path.with_suffix(".json"))
    for folder in (SHIPPED, user_folder()):
        if (folder / f"{model}.json").is_file():
            return read_card(folder / f"{model}.json")
    known = {card.name: card for card in cards()}
    if model in known:  # its file has been renamed
        return known[model]
    names = ", ".join(known) or "none"
    raise ModelError(f"no model named {model!r}. Choose one of: {names}.")


def weights_beside(card: Card) -> Path | None:
    """Return the weights file beside a card, None if there is none."""
    beside = (card.weights.with_suffix(suffix) for suffix in WEIGHTS)
    return next((path for path in beside if path.is_file()), None)


def in_use() -> list[str]:
    """Return the names of the models that were put to use, the present one last."""
    try:
        text = (user_folder() / IN_USE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def current() -> Card:
    """Return the card of the model in use.

    If its files are gone, it is the one that was in use before.
    """
    for name in reversed(in_use()):
        try:
            card = find(name)
        except UserError:
            continue
        if weights_beside(card) is not None:
            return card
    return find(DEFAULT)
