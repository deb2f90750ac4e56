"""Asking the user's own detector about one place: a box, a click, another reading, a kind."""
