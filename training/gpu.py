"""Train for some minutes on a GPU that is lent: bare, without network, and soon gone again.

    python training/gpu.py pack training/nuclei_gpu.toml --data DATA --out gpu.pack   at home
    training/gpu.sh gpu.pack OUT                                                       there
    python training/gpu.py join OUT --recipe training/nuclei_gpu.toml                  at home
    napari-nuclei train training/nuclei_gpu.toml --data DATA --resume                  at home

A pack holds images, truth, recipe and first weights. Where it is run, Python with torch,
torchvision, safetensors, scikit-image, SciPy, Pillow and tifffile is enough. Every minute a
checkpoint is written in pieces, over the one before; joined, it is the run's last checkpoint, which
`train --resume` validates, goes on with, and packs. The logic lives in `napari_nuclei/learn/gpu`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 2 bad use or unreadable input."""
    from napari_nuclei.errors import UserError

    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    p = commands.add_parser("pack", help="write a pack")
    p.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    p.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="folder of data sets")
    p.add_argument("--out", type=Path, required=True, metavar="FILE")
    p.add_argument(
        "--start", type=Path, metavar="CKPT", help="start from the averaged weights of a checkpoint"
    )
    p.add_argument("--most", type=float, default=40, metavar="MB", help="size (default: 40)")
    p.set_defaults(run=pack)

    p = commands.add_parser("run", help="train with a pack")
    p.add_argument("pack", type=Path, metavar="FILE")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="what to bring home")
    p.add_argument("--minutes", type=float, default=7.5, metavar="M", help="for all (default: 7.5)")
    p.add_argument(
        "--tail", type=float, default=1.3, metavar="M", help="of these, for figures (default: 1.3)"
    )
    p.add_argument("--steps", type=int, metavar="N", help="instead of the recipe's")
    p.add_argument("--workers", type=int, metavar="N", help="processes that draw crops")
    p.add_argument(
        "--side", type=int, default=1000, metavar="PX", help="of fields to predict (default: 1000)"
    )
    p.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    p.set_defaults(run=run)

    p = commands.add_parser("join", help="make a checkpoint of its pieces")
    p.add_argument("folder", type=Path, metavar="DIR", help="what was brought home")
    where = p.add_mutually_exclusive_group(required=True)
    where.add_argument("--recipe", type=Path, metavar="RECIPE.toml", help="put it into its folder")
    where.add_argument("--out", type=Path, metavar="CKPT", help="put it there")
    p.set_defaults(run=join)
    return top


def pack(options: argparse.Namespace) -> None:
    """Write a pack."""
    from napari_nuclei.learn.gpu.pack import packed_run, write_pack
    from napari_nuclei.learn.recipe import read_recipe

    made = packed_run(read_recipe(options.recipe), options.data, options.start)
    quality = write_pack(options.out, made, int(options.most * 1e6))
    gray, colour = ("without loss" if q is None else f"at quality {q}" for q in quality)
    print(
        f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {len(made.learned)} images "
        f"to learn from and {len(made.checks)} to evaluate on; gray ones {gray}, coloured ones "
        f"{colour}"
    )


def run(options: argparse.Namespace) -> None:
    """Train with a pack; what is to be brought home goes into a folder."""
    from napari_nuclei.learn.gpu.session import Limits, session

    options.out.mkdir(parents=True, exist_ok=True)
    times = options.minutes * 60, options.tail * 60
    limits = Limits(*times, options.steps, options.workers, options.side)
    session(options.pack, options.out, options.device, limits)


def join(options: argparse.Namespace) -> None:
    """Make a checkpoint of its pieces."""
    from napari_nuclei.learn.gpu.pieces import join_pieces
    from napari_nuclei.learn.recipe import read_recipe

    recipe = options.recipe and read_recipe(options.recipe)
    out = recipe.out / "last.ckpt" if recipe else options.out
    state = join_pieces(options.folder, out)
    print(f"{out}: step {state.step}, {state.seconds / 60:.1f} minutes")
    if recipe and recipe.schedule.steps != state.step:
        print(
            f"The recipe has {recipe.schedule.steps or 'no'} steps: train --resume goes on from "
            f"here. With schedule.steps = {state.step} it validates and packs these weights."
        )


if __name__ == "__main__":
    sys.exit(main())
