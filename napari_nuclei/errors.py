"""The one error that a user is meant to read. Nothing else lives here."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend, said in one line: what is wrong, and what to do."""
