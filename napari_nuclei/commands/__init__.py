"""The commands of the command line, a file each: its arguments, and what it does.

A command's file has `arguments`, which fills its parser, and `run`, which returns the exit code;
heavy imports stay inside of `run`.
"""

from __future__ import annotations

COMMANDS = {
    "demo": "segment a sample image, write its answer here; open it in napari if there is a screen",
    "segment": "segment images",
    "evaluate": "score predictions against the truth",
    "train": "train a model by a recipe",
    "retrain": "teach a model what you corrected, and keep it if it is better",
    "convert": "convert nuclei between file formats",
    "review": "correct nuclei in a napari window, image after image",
    "models": "list models, show a card, use another one, go back",
}
"""Name, which is also its file's, and what `--help` says of it."""
