"""`Format`: what a file format is called, what it holds, and who reads and writes it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes
    ----------
    name : str
        For the command line.
    title : str
        For menus.
    about : str
        What it holds, in a sentence.
    endings : tuple of str
        Of its files; the first one is written. None for folders.
    reader, writer : str
        ``module:function``, empty if there is none. Of formats with a file an image they are
        ``read(path, beside) -> (ImageRecord, Nuclei)`` and
        ``write(path, image, nuclei, beside)``; of others ``read(path, beside) -> DataSet`` and
        ``write(path, data, beside)``.
    per_image : bool
        Whether there is one file an image.
    categories, crowds : bool
        Whether it has a place for categories of nuclei, and for areas to ignore.
    needs : str
        An optional library without which it cannot be written.
    """

    name: str
    title: str
    about: str
    endings: tuple[str, ...]
    reader: str = ""
    writer: str = ""
    per_image: bool = False
    categories: bool = False
    crowds: bool = False
    needs: str = ""

    @property
    def is_there(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None

    @property
    def ending(self) -> str:
        """What files are written with; empty for folders."""
        return self.endings[0] if self.endings else ""


def function(path: str) -> Any:
    """Load a reader or writer."""
    module, _, name = path.partition(":")
    return getattr(import_module(f".{module}", __package__), name)
