"""Changing which models there are and which one is in use. No torch here."""

from __future__ import annotations

import re
from pathlib import Path

from ..atomic_files import replacing, unwritable
from ..errors import ModelError, UserError
from ..wording import option, worded
from .card import Card, sha256_of
from .registry import DEFAULT, IN_USE, SHIPPED, cards, current, find, in_use, user_folder
from .registry import weights_beside as _weights_beside

KEPT = 100
"""Names that are remembered for going back."""

_NAME = re.compile(r"[^\W_][\w.-]{0,79}")
_TAKEN = {"con", "prn", "aux", "nul"}


def free_name(base: str) -> str:
    """Return a name for a model made from another: its own with the next number."""
    stem = re.sub(r"-\d+$", "", base)
    known = {card.name for card in cards()}
    folder = user_folder()
    number = 2
    while f"{stem}-{number}" in known or (folder / f"{stem}-{number}.json").exists():
        number += 1
    return f"{stem}-{number}"


def check_name(name: str) -> None:
    """Refuse a name that a new model cannot have.

    Raises
    ------
    UserError
        If it is no plain file name, or a model has it already.
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or name.lower() in _TAKEN:
        raise ModelError(
            f"{name!r} cannot be a model's name: use letters, digits, hyphens and dots."
        )
    folded = name.casefold()  # some disks know no difference
    taken = {card.name.casefold() for card in cards()}
    taken |= {path.stem.casefold() for path in user_folder().glob("*.json")}
    if folded in taken:
        raise ModelError(
            f"there is a model named {name!r} already: choose another {option('name')}."
        )


def use(name: str) -> Card:
    """Make a model the one in use.

    Raises
    ------
    UserError
        If there is no such model, or its files are damaged: then nothing changes.
    """
    card = find(name)
    if card.path is None or card.path.parent not in (SHIPPED, user_folder()):
        raise ModelError(
            f"{name}: lies outside the folder of models; copy the weights and their card to "
            f"{user_folder()} first."
        )
    _check(card)
    names = in_use()
    if (names[-1] if names else DEFAULT) != card.name:
        _write([*names, card.name])
    return card


def rollback() -> Card:
    """Go back to the model that was in use before; return its card.

    Raises
    ------
    UserError
        If there was none.
    """
    names = in_use()
    now = current().name
    while names:
        names.pop()
        try:
            card = find(names[-1] if names else DEFAULT)
            _check(card)
        except UserError:  # it has been removed since, or is damaged
            continue
        if card.name != now:
            _write(names)
            return card
    raise ModelError(f"{now!r} is the first model that was in use: there is none to go back to.")


def remove(name: str) -> list[Path]:
    """Delete one of the user's models; return the files that are gone.

    Raises
    ------
    UserError
        If it is shipped, in use, or cannot be deleted.
    """
    card = find(name)
    if card.path is None or card.path.parent != user_folder():
        raise ModelError(f"{card.name!r} is not one of your own models, so it cannot be removed.")
    if card.name == current().name:
        raise ModelError(
            f"{card.name!r} is in use: "
            + worded(
                "go back first, with napari-nuclei models rollback.",
                "use another one first.",
                "press Go back first, or use another one.",
            )
        )
    gone = []
    # The card goes first: without it, the rest is no model.
    for path in (card.path, _weights_beside(card), report_of(card.name)):
        if path is not None and path.exists():
            try:
                path.unlink()
            except OSError as error:
                raise unwritable(path, error) from None
            gone.append(path)
    names = in_use()
    if card.name in names:
        _write([n for n in names if n != card.name])
    return gone


def report_of(name: str) -> Path:
    """Return where the report of a model's gate is kept."""
    return user_folder() / "reports" / f"{name}.json"


def lineage(card: Card) -> list[str]:
    """Return the names of the models that a model was made from, the nearest first."""
    out: list[str] = []
    while card.base and card.base not in out:
        out.append(card.base)
        try:
            card = find(card.base)
        except UserError:  # gone; its name is all that is known
            break
    return out


def _check(card: Card) -> None:
    path = _weights_beside(card)
    if path is None:
        raise ModelError(f"{card.name!r} has no weights beside its card: it cannot be used.")
    if not card.sha256 or sha256_of(path) != card.sha256:
        raise ModelError(
            f"{path}: damaged, its SHA-256 is not the one in its card: it cannot be used."
        )


def _write(names: list[str]) -> None:
    folder = user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    with replacing(folder / IN_USE) as file:
        file.write("".join(f"{name}\n" for name in names[-KEPT:]).encode())
