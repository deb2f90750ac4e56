"""`train`: a model by a recipe."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ..checks import DEVICES
from .arguments import device, positive, strict
from .terminal import say, shown


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    p.add_argument("--data", type=Path, metavar="DIR", help="folder of the recipe's data")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of checkpoints and the model")
    p.add_argument("--device", type=device, default="auto", help=DEVICES)
    p.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    p.add_argument("--minutes", type=positive, metavar="M", help="time limit in minutes")
    strict(p)


def run(options: Namespace) -> int:
    """Train a model and pack it."""
    from ..learn.recipe import check_places, read_recipe

    changes: dict[str, Any] = {}
    if options.minutes:
        changes["schedule"] = {"minutes": options.minutes, "steps": None}
    if options.out:
        changes["out"] = options.out
    recipe = read_recipe(options.recipe, changes)
    check_places(recipe, options.data or Path(), options.resume)
    from ..learn.run import train  # torch takes long to load: not before a word on a wrong path

    last = ""
    first = os.environ.get("RANK", "0") == "0"  # of those that torchrun started, one speaks
    steps = train(recipe, options.data, options.device, options.resume, options.strict)
    for step in shown(steps) if first else steps:
        if isinstance(step.new, str) and step.new != last and first:
            last = step.new
            say(last)
    return 0
