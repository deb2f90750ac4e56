"""`models`: what models there are, and what is known of them."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ..errors import UserError
from .terminal import say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("action", nargs="?", choices=("list", "show"), default="list")
    p.add_argument("name", nargs="?", help="of the model to show")
    p.add_argument("--json", action="store_true", help="print the card as JSON")


def run(options: Namespace) -> int:
    """List models, or show a card."""
    from ..models.registry import DEFAULT, cards, current, find

    if options.action == "show":
        card = find(options.name) if options.name else current()
        print(json.dumps(card.model_dump()) if options.json else _described(card))
        return 0
    if options.name:
        raise UserError(f"models list takes no name; try: napari-nuclei models show {options.name}")
    known = cards()
    if options.json:
        print(json.dumps([card.model_dump() for card in known]))
        return 0
    if not known:
        say("There are no models here: train one, or install napari-nuclei again.")
    for card in known:
        print(f"{'*' if card.name == DEFAULT else ' '} {card.name:<20} {card.licence}")
        print(f"    {card.description}")
    return 0


def _described(card: Any) -> str:
    lines = [
        card.name,
        card.description,
        f"licence      {card.licence}",
        f"data         {card.data}",
    ]
    lines.append(f"threshold    {card.threshold:.2f}")
    for name, figures in card.scores.items():
        parts = (f"{k} {v:.3f}" for k, v in figures.items() if isinstance(v, float))
        lines.append(f"{name}: {', '.join(parts)}")
    lines.append(f"sha256       {card.sha256}")
    return "\n".join(lines)
