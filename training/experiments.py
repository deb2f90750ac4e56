"""Make the table of experiments: shipped models, or any others, over annotated images.

    python training/experiments.py --data DATA                     all shipped models, all sets
    python training/experiments.py nuclei --data DATA --changes none
    python training/experiments.py runs/x/x.safetensors --data DATA --set mine a.json images

Everything goes into --out: predictions (COCO results; what is there is not made again, so a
stopped run goes on), figures as CSV and JSON, tables as Markdown, plots. With --readme the
tables are also written between the two marks of that file, and the plots beside it. The
logic lives in `napari_nuclei/learn/experiments.py` and its neighbours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nuclei.commands.terminal import shown
from napari_nuclei.errors import UserError

SETS = (
    ("dsb2018 val", "dsb2018/val.json", "dsb2018/images"),
    ("vrdl val", "vrdl/val.json", "vrdl/images"),
)
"""Label, truth and images of the data sets that are used where none is named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 2 bad use or unreadable input."""
    options = parser().parse_args(arguments)
    try:
        run(options)
    except UserError as error:
        print(f"experiments: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nexperiments: stopped. The same command continues from here.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = p.add_argument
    add("models", nargs="*", metavar="MODEL", help="name or weights file (default: the shipped)")
    add("--data", type=Path, default=Path(), metavar="DIR", help="folder that data sets lie in")
    add(
        "--set",
        dest="sets",
        nargs=3,
        action="append",
        metavar=("LABEL", "COCO", "IMAGES"),
        help="a data set, relative to --data; several times for several "
        "(default: dsb2018 val and vrdl val)",
    )
    add(
        "--changes",
        default="all",
        metavar="NAME,…",
        help="how images are made worse: none, all (default), or names out of "
        "learn/disturb.py; images as they are always come first",
    )
    add("--out", type=Path, default=Path("runs/experiments"), metavar="DIR")
    add("--readme", type=Path, metavar="FILE", help="Markdown file to write the tables into")
    add("--score", type=float, metavar="S", help="threshold (default: the card's own)")
    add("--worst", type=int, default=0, metavar="N", help="pictures of the N worst images each")
    add("--pictures", type=Path, metavar="DIR", help="folder for these pictures")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--again", action="store_true", help="make predictions anew that lie in --out already")
    return p


def run(options: argparse.Namespace) -> None:
    """Do what the options say."""
    from napari_nuclei.batch.writable import make_folder
    from napari_nuclei.learn.experiments import Run, Source, experiments, model
    from napari_nuclei.learn.plots import write_worst

    if options.worst and not options.pictures:
        raise UserError("--worst needs --pictures DIR, a folder of yours for the pictures")
    for folder in filter(None, (options.out, options.pictures)):
        make_folder(folder)
    models = [model(name, options.device) for name in options.models or shipped()]
    sources = [
        Source(label, options.data / coco, options.data / images)
        for label, coco, images in options.sets or SETS
    ]
    runs: list[Run] = []
    steps = experiments(
        models, sources, changes(options.changes), options.out, options.again, options.score
    )
    for step in shown(steps):
        if isinstance(step.new, Run):
            runs.append(step.new)
    write(runs, options.out, options.readme)
    if any(r.outdated for r in runs):
        print("Some predictions were made by another version of the program: --again renews them.")
    if options.worst:
        plain = [r for r in runs if r.change == "none"]
        for path in write_worst(options.pictures, plain, options.worst):
            print(path)


def shipped() -> list[str]:
    """Return the weights files that come with the program."""
    from napari_nuclei.models.registry import SHIPPED

    found = sorted(map(str, SHIPPED.glob("*.safetensors")))
    if not found:
        raise UserError("no model comes with this copy: name one")
    return found


def changes(text: str) -> list[str]:
    """Turn the option into names, images as they are first."""
    from napari_nuclei.learn.disturb import CHANGES, PLAIN

    names = list(CHANGES) if text == "all" else text.split(",")
    return list(dict.fromkeys([PLAIN, *names]))


def write(runs: Sequence[Any], out: Path, readme: Path | None) -> None:
    """Write tables, figures and plots."""
    from napari_nuclei.learn import plots, report

    text = report.markdown(runs)
    report.write_csv(out / "experiments.csv", runs)
    report.write_figures(out / "experiments.json", runs)
    report.write_text(out / "experiments.md", text)
    plots.draw_plots(out, runs)
    print(f"Tables, figures and plots → {out}")
    if readme:
        folder = readme.parent / "plots"
        folder.mkdir(exist_ok=True)
        pictures = (f"![{p.stem}](plots/{p.name})" for p in plots.draw_plots(folder, runs))
        report.splice(readme, "\n\n".join([text, *pictures]))
        print(f"Tables → {readme}")


if __name__ == "__main__":
    sys.exit(main())
