"""A small picture of nuclei, for notebooks."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from .counts import Counts
from .nuclei import Nuclei

SIDE = 480
"""Longest side of a picture in px."""

COLOURS = np.array(
    [(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
     (213, 94, 0), (204, 121, 167)],
    np.uint8,
)  # fmt: skip
"""Background, and colours that everybody tells apart (Okabe and Ito)."""


def picture(nuclei: Nuclei) -> NDArray[np.uint8]:
    """Draw the nuclei that are shown, each in a colour, reduced to fit.

    Returns
    -------
    (h, w, 3) uint8
        Black where there is none; every k-th pixel of the image.
    """
    height, width = nuclei.shape
    step = max(1, -(-max(height, width) // SIDE))
    out = np.zeros((-(-height // step), -(-width // step)), np.uint8)
    for nucleus in sorted(nuclei.shown(), key=lambda n: n.rank):
        mask = nucleus.mask
        top, left = -(-mask.y // step), -(-mask.x // step)
        part = mask.to_array()[top * step - mask.y :: step, left * step - mask.x :: step]
        out[top : top + part.shape[0], left : left + part.shape[1]][part] = 1 + nucleus.id % 7
    return COLOURS[out]


def html(nuclei: Nuclei) -> str:
    """Return the picture and a line of counts as HTML."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture(nuclei)).save(stream, "PNG")
    code = base64.b64encode(stream.getvalue()).decode()
    words = escape(f"{Counts.of(nuclei).summary()} · {nuclei.shape[0]}×{nuclei.shape[1]} px")
    return f'<figure><img alt="{words}" src="data:image/png;base64,{code}"/><p>{words}</p></figure>'


Nuclei._repr_html_ = html  # type: ignore[attr-defined]
# What notebooks ask for. `Nuclei` itself knows no picture.
