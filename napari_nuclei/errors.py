"""Errors that a person is meant to read: one line that says what is wrong and how to mend it.

All of them are `UserError`; the kinds below it are for scripts, which then need not match text.
Whatever else is raised is a fault of the program.
"""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend, said in one line: what is wrong, and what to do."""


class FileError(UserError):
    """A file or folder that is missing, or that cannot be read or written."""


class FormatError(UserError):
    """A file of nuclei that is damaged, of an unknown format, or says what makes no sense."""


class ImageError(UserError):
    """An image that cannot be read, or that leaves open which plane or channel is meant."""


class ImageMismatchError(UserError):
    """Nuclei and an image that do not belong together: another name, or another size."""


class ModelError(UserError):
    """A model that is missing, damaged, or does not fit the program; also its device."""


class RecipeError(UserError):
    """A training recipe that is missing or says what a recipe may not say."""


class TrainingError(UserError):
    """Training data that teach nothing, or a run that cannot continue."""


class ReviewError(UserError):
    """A review or its journal that cannot be opened, written, or changed here."""


class EditError(UserError):
    """An edit that makes no sense for the nuclei that are there."""
