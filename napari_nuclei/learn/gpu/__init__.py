"""Training for some minutes on a GPU that is lent: bare, without network, and soon gone again.

All that is needed goes there as one file (`pack.py`), runs without pydantic, pycocotools and
napari (`loop.py`, `timing.py`), and comes home in small pieces (`pieces.py`) from which
`napari-nuclei train --resume` goes on. `training/gpu.py` is the command.
"""
