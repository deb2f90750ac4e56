"""`train`: a model by a recipe."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .arguments import positive, strict
from .terminal import say, shown


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    p.add_argument("--data", type=Path, metavar="DIR", help="folder that the recipe's data lie in")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of checkpoints and the model")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument("--minutes", type=positive, metavar="M", help="time budget")
    strict(p)


def run(options: Namespace) -> int:
    """Train a model and pack it."""
    from ..learn.recipe import read_recipe
    from ..learn.run import train

    changes: dict[str, Any] = {}
    if options.minutes:
        changes["schedule"] = {"minutes": options.minutes, "steps": None}
    if options.out:
        changes["out"] = options.out
    recipe = read_recipe(options.recipe, changes)
    last = ""
    first = os.environ.get("RANK", "0") == "0"  # of those that torchrun started, one speaks
    steps = train(recipe, options.data, options.device, options.resume, options.strict)
    for step in shown(steps) if first else steps:
        if isinstance(step.new, str) and step.new != last and first:
            last = step.new
            say(last)
    return 0
