"""The command line: exit codes and messages. What each command takes and does lives elsewhere.

Importing this loads neither numpy nor torch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .commands import COMMANDS
from .commands.terminal import say
from .errors import UserError

DONE, SOME_FAILED, BAD_USE = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USE, f"{self.prog}: {message}. See {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 some inputs failed, 2 bad use."""
    options = parser().parse_args(arguments)
    if options.command is None:
        parser().print_help()
        return BAD_USE
    for name in ("stdout", "stderr"):  # either may be closed
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may not know every letter
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = _module(options.command).run(options)
        sys.stdout.flush()
    except UserError as error:
        say(f"napari-nuclei: {error}")
        return BAD_USE
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        say(
            f"napari-nuclei: not enough memory{detail}: close other programs, or give fewer or "
            "smaller images at a time"
        )
        return BAD_USE
    except BrokenPipeError:  # the reader of our output has gone away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        return SOME_FAILED
    except KeyboardInterrupt:
        say("\nnapari-nuclei: stopped.")
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    top = _Parser(
        prog="napari-nuclei",
        description="Segment nuclei, correct them in napari, export COCO JSON, train on it.",
    )
    top.add_argument("--version", action="version", version=_version())
    add = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser).add_parser
    for name, text in COMMANDS.items():
        _module(name).arguments(add(name, help=text))
    return top


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-nuclei")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _module(command: str) -> ModuleType:
    return import_module(f".commands.{command}", __package__)
