"""What other tools do with a file: read it with their own library, write it again.

Run by `round_trips.py` with the interpreter that has them: ``python foreign_tools.py TOOL IN OUT``.
Exits with 3 where the library is not installed. Nothing of this project is imported here.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

MISSING = 3


def pycocotools(source: Path, out: Path) -> None:
    """Decode every mask and encode it anew."""
    import numpy as np
    from pycocotools import mask as coder
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(source))
    for row in coco.dataset["annotations"]:
        code = coder.encode(np.asfortranarray(coco.annToMask(row)))
        row["segmentation"] = {"size": code["size"], "counts": code["counts"].decode()}
        row["bbox"], row["area"] = coder.toBbox(code).tolist(), int(coder.area(code))
    out.write_text(json.dumps(coco.dataset))


def datumaro(source: Path, out: Path, mode: str = "guess") -> None:
    """Import as CVAT does, and export as COCO."""
    import datumaro as dm

    folder = out.with_suffix(".tree")
    (folder / "in" / "annotations").mkdir(parents=True)
    (folder / "in" / "images").mkdir()  # it wants one, empty or not
    shutil.copy(source, folder / "in" / "annotations" / "instances_all.json")
    data = dm.Dataset.import_from(str(folder / "in"), "coco_instances")
    data.export(str(folder / "out"), "coco_instances", save_media=False, segmentation_mode=mode)
    (written,) = (folder / "out" / "annotations").glob("*.json")
    shutil.copy(written, out)


def datumaro_masks(source: Path, out: Path) -> None:
    """Export run lengths instead of the polygons that it prefers."""
    datumaro(source, out, "mask")


def contours(source: Path, out: Path) -> None:
    """Turn masks into polygons through the centres of their outer pixels, as OpenCV has them."""
    import cv2
    import numpy as np
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(source))
    for row in coco.dataset["annotations"]:
        x, y, w, h = (int(v) for v in row["bbox"])
        crop = np.ascontiguousarray(coco.annToMask(row)[y : y + h, x : x + w])
        found, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        rings = [(ring.reshape(-1, 2) + np.array([x, y])).ravel().tolist() for ring in found]
        row["segmentation"] = [r for r in rings if len(r) >= 6] or [[x, y, x + w, y, x, y + h]]
    out.write_text(json.dumps(coco.dataset))


def geojson(source: Path, out: Path) -> None:
    """Load and dump, checking each geometry."""
    import geojson as library

    data = library.loads(source.read_text())
    wrong = [f for f in data["features"] if not f["geometry"].is_valid]
    if wrong:
        raise SystemExit(f"{len(wrong)} geometries are not valid to geojson")
    out.write_text(library.dumps({k: data[k] for k in ("type", "features")}))


def shapely(source: Path, out: Path) -> None:
    """Make geometries, which must be valid as they are in QuPath, and write these."""
    from shapely.geometry import mapping, shape

    data = json.loads(source.read_text())
    for feature in data["features"]:
        geometry = shape(feature["geometry"])
        if not geometry.is_valid:
            raise SystemExit(f"{feature['id']} is not valid to shapely")
        feature["geometry"] = mapping(geometry)
    out.write_text(json.dumps({k: data[k] for k in ("type", "features")}))


def roifile(source: Path, out: Path) -> None:
    """Read all ROIs and write them."""
    import roifile as library

    library.roiwrite(out, library.roiread(source), mode="w")


def tifffile(source: Path, out: Path) -> None:
    """Read the label image and write it as ImageJ's."""
    import tifffile as library

    library.imwrite(out, library.imread(source), imagej=True)


def cellpose(source: Path, out: Path) -> None:
    """Load the label image with Cellpose and save what its window saves."""
    import numpy as np
    from cellpose import io as library

    masks = library.imread(str(source))
    flat = np.zeros((3, *masks.shape), np.float32)
    flows = [np.zeros((*masks.shape, 3), np.uint8), flat[:2], flat[0]]
    stem = out.with_name(out.name.removesuffix("_seg.npy"))
    library.masks_flows_to_seg(masks, masks, flows, f"{stem}.tif")


def cellpose_rois(source: Path, out: Path) -> None:
    """Load the label image with Cellpose and save its ROIs for ImageJ."""
    from cellpose import io as library

    library.save_rois(library.imread(str(source)), str(out.with_name("rois")))
    (written,) = out.parent.glob("rois_rois.zip")
    written.replace(out)


TOOLS: dict[str, Any] = {
    "pycocotools": pycocotools,
    "datumaro": datumaro,
    "datumaro_masks": datumaro_masks,
    "contours": contours,
    "geojson": geojson,
    "shapely": shapely,
    "roifile": roifile,
    "tifffile": tifffile,
    "cellpose": cellpose,
    "cellpose_rois": cellpose_rois,
}

if __name__ == "__main__":
    try:
        TOOLS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    except ModuleNotFoundError as error:
        print(error)
        raise SystemExit(MISSING) from None
