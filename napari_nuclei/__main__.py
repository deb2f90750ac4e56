"""``python -m napari_nuclei``: the command line. Nothing else lives here."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
