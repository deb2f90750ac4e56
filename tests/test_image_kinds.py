"""Images of odd kinds mean the same whether they are read whole or in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_nuclei.errors import UserError
from napari_nuclei.images import large_files
from napari_nuclei.images.decoders import is_turned, turn_hint
from napari_nuclei.images.images import image_info, image_size, read_image
from napari_nuclei.images.large_files import open_image
from napari_nuclei.images.levels import find_levels

Pixels = NDArray[Any]
RANDOM = np.random.default_rng(7)


def noise(*shape: int, dtype: Any = np.uint8) -> Pixels:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype)


def options(photometric: str, **more: Any) -> dict[str, Any]:
    return {"photometric": photometric, **more}


def turned(orientation: int) -> dict[str, Any]:
    return {"extratags": [(274, "H", 1, orientation, True)]}


COLOURS = noise(70, 50, 3)
GRAY = noise(70, 50)
CONTIG = {"planarconfig": "contig"}
KINDS: dict[str, tuple[Pixels, dict[str, Any]]] = {
    "gray": (GRAY, options("minisblack")),
    "white is zero": (GRAY, options("miniswhite")),
    "12 bits": (noise(70, 50, dtype=np.uint16) >> 4, options("miniswhite")),
    "rgb": (COLOURS, options("rgb")),
    "16-bit rgb": (noise(70, 50, 3, dtype=np.uint16), options("rgb")),
    "alpha": (noise(70, 50, 4), options("rgb", extrasamples=["unassalpha"])),
    "one more": (noise(70, 50, 4), options("rgb", extrasamples=["unspecified"])),
    "two more": (noise(70, 50, 5), options("rgb", extrasamples=["unspecified"] * 2)),
    "five channels": (noise(70, 50, 5), options("minisblack", **CONTIG)),
    "two channels": (noise(70, 50, 2), options("minisblack", **CONTIG)),
    "planes of channels": (noise(3, 70, 50), options("minisblack", planarconfig="separate")),
    "planes of colours": (noise(3, 70, 50), options("rgb", planarconfig="separate")),
    "cmyk": (noise(70, 50, 4), options("separated")),
    "palette": (GRAY, options("palette", colormap=noise(3, 256, dtype=np.uint16))),
    "float": (RANDOM.normal(size=(70, 50)).astype("f4"), options("minisblack")),
    "signed": (noise(70, 50, dtype=np.int16) - 9000, options("minisblack")),
    "other end first": (RANDOM.normal(size=(70, 50)), options("minisblack", byteorder=">")),
    "bits": (GRAY > 99, {}),
    "stack": (noise(3, 70, 50), options("minisblack")),
    "axes without names": (noise(2, 3, 70, 50), options("minisblack")),
    "z and channels": (
        noise(2, 3, 70, 50),
        options("minisblack", metadata={"axes": "ZCYX"}, ome=True),
    ),
    "big": (GRAY, options("minisblack", bigtiff=True)),
    "complex": (GRAY.astype(np.complex64), options("minisblack")),
    "turned": (COLOURS, options("rgb", **turned(6))),
    "mirrored": (GRAY, options("minisblack", **turned(5))),
}
CHOICES: tuple[dict[str, Any], ...] = (
    {},
    {"channels": 1},
    {"channels": [1, 0]},
    {"channels": [0, 1, 4]},
    {"plane": 1},
    {"plane": 2, "channels": 2},
    {"plane": 7},
)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have every TIFF in tiles read in parts from now on, when it is called."""

    def do() -> None:
        monkeypatch.setattr(large_files, "WHOLE", 0)
        monkeypatch.setattr(large_files, "SMALL", 0)

    return do


def answer(path: Path, choice: dict[str, Any]) -> Pixels | str:
    try:
        image = open_image(path, **choice)
        return image.read((0, 0, *image.shape))
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_means_what_a_small_one_does(kind: str, tmp_path: Path, in_parts: Any) -> None:
    pixels, how = KINDS[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, tile=(32, 32), **how)
    whole = [answer(path, choice) for choice in CHOICES]
    assert not large_files.is_read_in_parts(path)
    in_parts()
    assert large_files.is_read_in_parts(path)
    for choice, expected in zip(CHOICES, whole, strict=True):
        found = answer(path, choice)
        if isinstance(expected, str):
            assert found == expected
            continue
        np.testing.assert_array_equal(found, expected)
        assert np.asarray(found).dtype == expected.dtype
        image = open_image(path, **choice)
        assert not isinstance(image.levels[0], np.ndarray)
        assert image.find_levels() == find_levels(expected)
        part = image.read((9, 20, 41, 44))
        np.testing.assert_array_equal(part, expected[9:41, 20:44])


def test_interleaved_channels_of_a_large_file(tmp_path: Path, in_parts: Any) -> None:
    pixels, how = KINDS["five channels"]
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(32, 32), **how)
    in_parts()
    with pytest.raises(UserError, match="5 channels: name one, or up to three"):
        open_image(tmp_path / "a.tif")
    found = open_image(tmp_path / "a.tif", channels=4)
    np.testing.assert_array_equal(found.read((0, 0, 70, 50)), pixels[..., 4])


def test_what_rgb_has_besides(tmp_path: Path) -> None:
    pixels, how = KINDS["one more"]
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels[..., :3])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=3), pixels[..., 3])
    pixels, how = KINDS["two more"]
    tifffile.imwrite(tmp_path / "b.tif", pixels, **how)
    with pytest.raises(UserError, match="5 channels"):
        read_image(tmp_path / "b.tif")


def test_planes_of_axes_without_names(tmp_path: Path) -> None:
    pixels, how = KINDS["axes without names"]
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    for plane in range(6):
        found = read_image(tmp_path / "a.tif", plane=plane)
        np.testing.assert_array_equal(found, pixels.reshape(6, 70, 50)[plane])


def test_holes_in_a_float_image(tmp_path: Path) -> None:
    pixels = RANDOM.normal(size=(70, 50)).astype("f4")
    pixels[3:9], pixels[20, :9] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels)
    assert find_levels(pixels) == find_levels(pixels[np.isfinite(pixels)][None])


# -- YCbCr ------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_ycbcr_becomes_rgb(tmp_path: Path, compression: str) -> None:
    flat = Image.fromarray(np.full((40, 50, 3), (200, 100, 150), np.uint8)).convert("YCbCr")
    flat.save(tmp_path / "a.tif", compression=compression)
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [198, 100, 149]


def test_ycbcr_as_broadcast_has_it(tmp_path: Path) -> None:
    """Black at 16 and white at 235, as ReferenceBlackWhite says."""
    pixels = np.full((8, 8, 3), (235, 128, 128), np.uint8)
    reference = [n for level in (16, 235, 128, 240, 128, 240) for n in (level, 1)]
    tag = (532, 5, 6, tuple(reference), True)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="ycbcr", extratags=[tag])
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [255, 255, 255]


# -- which way up -----------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_images_are_read_upright(
    suffix: str, orientation: int, tmp_path: Path, in_parts: Any
) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(COLOURS).save(path, exif=exif, quality=100)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2] == open_image(path).shape
    assert image_info(path).orientation == orientation
    assert is_turned(path) == (orientation > 1)
    np.testing.assert_array_equal(read_image(path, channels=1), expected[..., 1])
    if suffix == ".tif":
        tifffile.imwrite(path, COLOURS, photometric="rgb", tile=(16, 16), **turned(orientation))
        in_parts()
        np.testing.assert_array_equal(open_image(path).read((5, 8, 41, 33)), expected[5:41, 8:33])


def test_files_of_the_image_as_it_is_kept_are_explained(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (50, 70)
    assert "EXIF" in turn_hint(tmp_path / "a.jpg", (50, 70), (70, 50))
    assert not turn_hint(tmp_path / "a.jpg", (50, 70), (71, 50))
    assert not turn_hint(tmp_path / "none.jpg", (50, 70), (70, 50))


def test_a_damaged_note_spoils_nothing(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert image_size(tmp_path / "a.jpg") == (70, 50)


# -- several files, several images in a file ----------------------------------------------


def write_set(folder: Path, planes: Pixels, order: str, split: str) -> list[Path]:
    """Write an OME-TIFF of several files, one for each entry along an axis of (C, Z, H, W)."""
    folder.mkdir(exist_ok=True)
    count = planes.shape["CZ".index(split)]
    names = [f"img_{split}{k}.ome.tif" for k in range(count)]
    sizes = {"C": planes.shape[0], "Z": planes.shape[1], "T": 1}
    rows = []
    pages: list[list[Pixels]] = [[] for _ in names]
    for c, z in np.ndindex(*planes.shape[:2]):
        k = c if split == "C" else z
        rows.append(
            f'<TiffData IFD="{len(pages[k])}" FirstC="{c}" FirstZ="{z}" PlaneCount="1">'
            f'<UUID FileName="{names[k]}">urn:uuid:{k}</UUID></TiffData>'
        )
        pages[k].append(planes[c, z])
    for k, name in enumerate(names):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{k}"><Image ID="Image:0"><Pixels DimensionOrder="{order}" '
            + " ".join(f'Size{a}="{n}"' for a, n in sizes.items())
            + f' Type="uint8" SizeX="{planes.shape[3]}" SizeY="{planes.shape[2]}">'
            + f"{''.join(rows)}</Pixels></Image></OME>"
        )
        with tifffile.TiffWriter(folder / name) as file:
            for page in pages[k]:
                file.write(page, description=xml, metadata=None, contiguous=False)
                xml = ""
    return [folder / name for name in names]


def test_each_file_of_a_set_is_its_own(tmp_path: Path) -> None:
    planes = noise(2, 3, 40, 30)
    for k, path in enumerate(write_set(tmp_path / "c", planes, "XYCZT", "C")):
        assert (image_info(path).channels, image_info(path).planes) == (1, 3)
        for named in (None, 0, k):  # as the file counts, and as the set does
            if named in (None, 0, 1):
                found = read_image(path, plane=2, channels=named)
                np.testing.assert_array_equal(found, planes[k, 2])
        with pytest.raises(UserError, match="no channel 5"):
            read_image(path, plane=2, channels=5)
    for k, path in enumerate(write_set(tmp_path / "z", planes, "XYZCT", "Z")):
        assert (image_info(path).channels, image_info(path).planes) == (2, 1)
        np.testing.assert_array_equal(read_image(path, channels=1), planes[1, k])
        np.testing.assert_array_equal(read_image(path, plane=k, channels=0), planes[0, k])


def test_a_file_of_a_set_alone_or_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planes = noise(2, 1, 40, 30)
    first, second = write_set(tmp_path, planes, "XYCZT", "C")
    first.unlink()
    np.testing.assert_array_equal(read_image(second, channels=1), planes[1, 0])
    second.rename(tmp_path / "renamed.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "renamed.tif"), planes[1, 0])
    assert not caplog.records  # nothing on the files that are not there


def test_a_large_file_of_a_set(tmp_path: Path, in_parts: Any) -> None:
    planes = noise(2, 1, 64, 48)
    path = write_set(tmp_path, planes, "XYCZT", "C")[1]
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    tifffile.imwrite(path, planes[1, 0], description=xml, metadata=None, tile=(16, 16))
    in_parts()
    assert large_files.is_read_in_parts(path)
    np.testing.assert_array_equal(open_image(path).read((0, 0, 64, 48)), planes[1, 0])


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_labels_and_thumbnails_beside_a_slide(
    tmp_path: Path, tile: tuple[int, int] | None, in_parts: Any
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(COLOURS, photometric="rgb", tile=tile)
        file.write(noise(20, 20, 3), photometric="rgb")  # small
        file.write(noise(60, 50, 3), photometric="rgb", subfiletype=1)  # called a smaller copy
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)
    in_parts()
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").read((0, 0, 70, 50)), COLOURS)


def test_planes_that_were_written_one_by_one_are_a_stack(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    for planes in (noise(3, 70, 50), noise(3, 70, 50, 3)):
        with tifffile.TiffWriter(path) as file:
            for plane in planes:
                file.write(plane, photometric="rgb" if plane.ndim == 3 else "minisblack")
        assert image_info(path).planes == 3
        for number, plane in enumerate(planes):
            assert (read_image(path, plane=number) == plane).all()
        with pytest.raises(UserError, match="stack of 3 planes"):
            read_image(path)
    with tifffile.TiffWriter(path) as file:
        file.write(GRAY)
        file.write(GRAY.astype(np.uint16))
    with pytest.raises(UserError, match="2 separate images"):
        read_image(path)


def test_two_images_of_different_sizes_are_not_silently_one(tmp_path: Path, in_parts: Any) -> None:
    for other in (noise(60, 45), noise(90, 80)):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            file.write(GRAY, tile=(32, 32))
            file.write(other)
        with pytest.raises(UserError, match=r"2 separate images .* save them apart"):
            read_image(tmp_path / "a.tif")
    in_parts()
    with pytest.raises(UserError, match="2 separate images"):
        open_image(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
def test_a_cut_large_file_is_never_read_in_part(
    tmp_path: Path, compression: str | None, in_parts: Any
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY, tile=(32, 32), compression=compression)
    whole, data = read_image(path), path.read_bytes()
    in_parts()
    refused = 0
    for cut in range(1, len(data), len(data) // 25):
        path.write_bytes(data[:cut])
        try:
            image = open_image(path)
            found = image.read((0, 0, *image.shape))
        except UserError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, whole)
    assert refused > 15
