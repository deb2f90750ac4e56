"""Grouped cross-validation of a recipe: how good it is on experiments that it has not seen.

    python training/crossvalidate.py training/nuclei.toml --data DATA --out runs/cv

Trains once a fold (`data.folds` in the recipe; images of one experiment stay together), judges
each network on the fold that it has not seen, and writes figures, calibration and threshold to
crossvalidation.json. The same command goes on where it was stopped. With --list it only says
which image belongs to which group and fold.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nuclei.commands.terminal import say, shown
from napari_nuclei.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 2 bad use or unreadable input."""
    options = parser().parse_args(arguments)
    try:
        run(options)
    except UserError as error:
        print(f"crossvalidate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncrossvalidate: stopped. The same command continues from here.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = p.add_argument
    add("recipe", type=Path, metavar="RECIPE.toml")
    add("--data", type=Path, default=Path(), metavar="DIR", help="folder that data sets lie in")
    add("--out", type=Path, metavar="DIR", help="folder of the runs (default: the recipe's)")
    add("--folds", type=int, metavar="N", help="number of folds (default: the recipe's, else 3)")
    add("--steps", type=int, metavar="N", help="steps a fold (default: the recipe's)")
    add("--list", action="store_true", help="write images, groups and folds as CSV; train nothing")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    return p


def run(options: argparse.Namespace) -> None:
    """Do what the options say."""
    from napari_nuclei.learn.recipe import read_recipe

    changes: dict[str, Any] = {"out": options.out} if options.out else {}
    if options.folds:
        changes["data"] = {"folds": options.folds}
    if options.steps:
        changes["schedule"] = {"steps": options.steps}
    recipe = read_recipe(options.recipe, changes)
    if recipe.data.folds is None:
        recipe = read_recipe(options.recipe, {**changes, "data": {"folds": 3}})
    if options.list:
        write_folds(recipe, options.data)
        return
    from napari_nuclei.learn.crossvalidate import crossvalidate

    for step in shown(crossvalidate(recipe, options.data, options.device)):
        if isinstance(step.new, str):
            say(step.new)


def write_folds(recipe: Any, data: Path) -> None:
    """Write file name, group and fold of each training image to the standard output."""
    from napari_nuclei.learn.parts import dealt

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["file_name", "group", "fold"])
    for part, groups, folds in dealt(recipe, data):
        for image, group, fold in zip(part.data.images, groups, folds, strict=True):
            rows.writerow([image.file_name, group, fold])


if __name__ == "__main__":
    sys.exit(main())
