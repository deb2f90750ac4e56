"""Pages that the program writes of itself, for mkdocs: command line, formats, keys, models.

Here: what `make docs` adds to `pages/`. Nothing of it is kept in the repository, so that it cannot
grow stale.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
PROGRAM = "napari-nuclei"


def on_files(files: Files, config: Any) -> Files:
    """Add generated pages, and the pictures that the README shares with the pages."""
    for name, text in {
        "reference/cli.md": command_line(),
        "reference/formats.md": (HERE / "formats.md")
        .read_text(encoding="utf-8")
        .replace("{{ table }}", formats()),
        "reference/keys.md": keys(),
        "models.md": models(),
    }.items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted((HERE / "images").glob("*.png")):
        files.append(File.generated(config, f"images/{picture.name}", content=picture.read_bytes()))
    return files


def command_line() -> str:
    """Return all commands with their arguments, from the parser."""
    from napari_nuclei.cli import parser
    from napari_nuclei.commands import COMMANDS

    lines = [
        "# Command line",
        "",
        f"`{PROGRAM}`, also `python -m napari_nuclei`. Exit code 0: all done; 1: some inputs "
        "failed, each named on stderr, all others are written; 2: bad use or unreadable input, "
        "with one line that says what is wrong and how to fix it.",
        "",
    ]
    commands = next(
        a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)
    ).choices
    for name, text in COMMANDS.items():
        lines += [f"## {name}", "", f"{text[0].upper()}{text[1:]}.", ""]
        usage = " ".join(commands[name].format_usage().split()).removeprefix("usage: ")
        lines += ["```text", *wrapped(usage), "```", ""]
        lines += [f"- {row}" for row in arguments(commands[name])]
        lines.append("")
    return "\n".join(lines)


def wrapped(usage: str) -> Iterator[str]:
    """Break a usage line before options, at 90 letters."""
    line = ""
    for word in re.findall(r"\[[^\]]*\](?:\.\.\.)?|\S+", usage):
        if len(line) + len(word) > 90:
            yield line
            line = "   "
        line = f"{line} {word}" if line else word
    yield line


def arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    """Yield each argument and what it does."""
    for action in command._actions:
        if isinstance(action, argparse._HelpAction) or action.help == argparse.SUPPRESS:
            continue
        names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        value = "" if not action.option_strings or action.nargs == 0 else str(action.metavar or "")
        if action.choices and not value:
            value = "|".join(map(str, action.choices))
        elif action.choices and not action.option_strings:
            names += f" ({'|'.join(map(str, action.choices))})"
        text = (action.help or "").replace("%(default)s", str(action.default))
        yield f"`{names}{' ' + value if value else ''}`" + (f": {text}" if text else "")


def formats() -> str:
    """Return a table of all formats, from their registry."""
    from napari_nuclei.formats.registry import FORMATS

    lines = [
        "| name | extensions | read | written | one file per | what it holds |",
        "|---|---|---|---|---|---|",
    ]
    for f in FORMATS.values():
        endings = ", ".join(f"`{e}`" for e in f.endings) or "a folder"
        yes = ["yes" if each else "–" for each in (f.reader, f.writer)]
        each = "image" if f.per_image else "data set"
        lines.append(f"| `{f.name}` | {endings} | {yes[0]} | {yes[1]} | {each} | {f.about} |")
    return "\n".join(lines)


def keys() -> str:
    """Return the keys of the window, as they are set by default."""
    from napari_nuclei._napari.layers.keys import listed

    rows = listed(default=True)
    return "\n".join(
        [
            "# Keys",
            "",
            "While the nuclei layer is active. **H** shows them over the image. They can be "
            "changed under *Preferences ▸ Shortcuts*.",
            "",
            "| key or gesture | what it does |",
            "|---|---|",
            *(f"| {key} | {text} |" for key, text in rows),
            "",
        ]
    )


def models() -> str:
    """Return the cards of the shipped models."""
    from napari_nuclei.models.registry import cards

    lines = [
        "# Models",
        "",
        "What `napari-nuclei models show NAME` prints. How they were made, and all tables: "
        "`training/README.md` in the source.",
        "",
    ]
    for card in cards():
        lines += [f"## {card.name}", "", card.description, ""]
        lines += [f"- Licence of the weights: **{card.licence}**", f"- Trained on: {card.data}"]
        lines += [
            f"- Threshold: {card.threshold:.2f}",
            f"- Nuclei in the network: {card.diameter:.0f} px",
        ]
        for name, figures in card.scores.items():
            parts = ", ".join(f"{k} {v:.3f}" for k, v in figures.items() if isinstance(v, float))
            lines.append(f"- {name}: {parts}")
        lines += [f"- SHA-256: `{card.sha256}`", ""]
    return "\n".join(lines)
