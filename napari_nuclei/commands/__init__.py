"""The commands of the command line, a file each: its arguments, and what it does.

A command's file has `arguments`, which fills its parser, and `run`, which returns the exit code;
heavy imports stay inside of `run`.
"""

from __future__ import annotations

COMMANDS = {
    "demo": "segment a sample image, write the result here, and open it in napari if there is a "
    "screen",
    "segment": "segment images",
    "evaluate": "score predictions against ground truth",
    "train": "train a model from a recipe",
    "retrain": "retrain a model on your corrections, and keep it if it is better",
    "convert": "convert nuclei between file formats",
    "review": "correct nuclei in a napari window, image by image",
    "models": "list models, show one, use another one, go back",
}
"""Name, which is also its file's, and what `--help` says of it."""
