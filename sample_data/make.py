"""Write the sample images and their ground truth; see README.md beside this file.

Not here: how the images are drawn (`napari_nuclei/synthetic/scenes.py`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_rle

from napari_nuclei.masks import Mask
from napari_nuclei.synthetic.scenes import LOOKS, make_sample

SEEDS = (1, 2)
SIZE = 384


def file_name(kind: str, seed: int) -> str:
    """Return the name of a sample's file."""
    return f"{kind.replace('-', '_')}_{seed}.png"


def annotation(mask: Mask, shape: tuple[int, int]) -> dict[str, Any]:
    """Return a mask as COCO has it, all of it from the full-size array by pycocotools."""
    pixels = np.zeros(shape, np.uint8, order="F")
    mask.paint(pixels, 1)
    rle = coco_rle.encode(pixels)
    return {
        "category_id": 1,
        "segmentation": {"size": list(shape), "counts": rle["counts"].decode("ascii")},
        "bbox": [int(v) for v in coco_rle.toBbox(rle)],
        "area": int(coco_rle.area(rle)),
        "iscrowd": 0,
    }


def main() -> None:
    """Write all of it into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    out = parser.parse_args().out
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for kind, look in LOOKS.items():
        for seed in SEEDS:
            image, masks = make_sample(kind, seed, SIZE)
            Image.fromarray(image).save(out / file_name(kind, seed), optimize=True)
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": file_name(kind, seed),
                    "height": SIZE,
                    "width": SIZE,
                    "modality": look.modality,
                    "kind": kind,
                    "seed": seed,
                }
            )
            for mask in masks:
                row = {"id": len(annotations) + 1, "image_id": len(images)}
                annotations.append(row | annotation(mask, (SIZE, SIZE)))
    truth = {
        "info": {"description": "Synthetic nuclei made by napari-nuclei", "version": "1"},
        "licenses": [{"id": 1, "name": "CC0 1.0"}],
        "images": [image | {"license": 1} for image in images],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "nucleus"}],
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
