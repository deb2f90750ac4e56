"""`models`: what models there are, what is known of them, and which one is in use."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ..errors import UserError
from .terminal import say

NAMED = ("show", "use", "remove")


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    actions = ("list", "show", "use", "rollback", "remove")
    p.add_argument(
        "action",
        nargs="?",
        choices=actions,
        default="list",
        help="list them (default), show a card, use one from now on, go back to the previous "
        "one, or remove one of your own",
    )
    p.add_argument("name", nargs="?", help="name of the model")
    p.add_argument("--json", action="store_true", help="print the cards as JSON")


def run(options: Namespace) -> int:
    """List models, show a card, or change what is in use."""
    from ..models import registry, versions

    if options.name and options.action not in NAMED:
        raise UserError(
            f"models {options.action} takes no name; try: napari-nuclei models show {options.name}"
        )
    if options.action in NAMED[1:] and not options.name:
        raise UserError(f"models {options.action} needs the name of a model")
    match options.action:
        case "show":
            card = registry.find(options.name) if options.name else registry.current()
            print(json.dumps(_with_lineage(card)) if options.json else _described(card))
        case "use":
            _print(versions.use(options.name), options.json)
        case "rollback":
            _print(versions.rollback(), options.json)
        case "remove":
            gone = versions.remove(options.name)
            say(f"Removed {', '.join(path.name for path in gone)}.")
        case _:
            _list(options.json)
    return 0


def _print(card: Any, as_json: bool) -> None:
    say(f"In use now: {card.name} ({card.licence}).")
    if as_json:
        print(json.dumps(card.model_dump()))


def _list(as_json: bool) -> None:
    from ..models.registry import cards, current

    known = cards()
    if as_json:
        print(json.dumps([card.model_dump() for card in known]))
        return
    if not known:
        say("There are no models here: train one, or reinstall napari-nuclei.")
        return
    try:
        used = current().name
    except UserError:
        used = ""
    for card in known:
        made = f"  from {card.base}" if card.base else ""
        print(
            f"{'*' if card.name == used else ' '} {card.name:<20} {card.licence:<16} "
            f"{card.created}{made}"
        )
        print(f"    {card.description}")


def _with_lineage(card: Any) -> dict[str, Any]:
    from ..models.versions import lineage

    return {**card.model_dump(), "lineage": lineage(card)}


def _described(card: Any) -> str:
    from ..models.versions import lineage

    lines = [
        card.name,
        card.description,
        f"licence      {card.licence}",
        f"data         {card.data}",
    ]
    if card.created:
        lines.append(f"made         {card.created}")
    if card.base:
        lines.append(f"from         {', from '.join(lineage(card))}")
    lines.append(f"threshold    {card.threshold:.2f}")
    for name, figures in card.scores.items():
        parts = (f"{k} {v:.3f}" for k, v in figures.items() if isinstance(v, float))
        lines.append(f"{name}: {', '.join(parts)}")
    lines.append(f"sha256       {card.sha256}")
    return "\n".join(lines)
