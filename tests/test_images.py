"""Reading images of every kind, refusing broken ones, and the normalised range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_nuclei.errors import UserError
from napari_nuclei.images.decoders import to_plane
from napari_nuclei.images.images import find_images, image_info, image_size, read_image
from napari_nuclei.images.large_image import LargeImage
from napari_nuclei.images.levels import HIGH, LOW, find_levels, normalize

GRAY = np.random.default_rng(1).integers(0, 256, (23, 31), np.uint8)
COLOUR = np.random.default_rng(2).integers(0, 256, (23, 31, 3), np.uint8)
DEEP = np.random.default_rng(3).integers(0, 1 << 16, (23, 31, 3), np.uint16)
ALPHA = np.full((23, 31, 1), 7, np.uint8)
STACK = np.random.default_rng(4).integers(0, 256, (5, 23, 31), np.uint8)


def wrong(path: Path | str, **choice: Any) -> str:
    """Return the one line that reading this file ends in."""
    with pytest.raises(UserError) as caught:
        read_image(path, **choice)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


# -- what a file shows ----------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_gray_and_colour_come_back_as_written(tmp_path: Path, suffix: str) -> None:
    for pixels in (GRAY, COLOUR):
        Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), pixels)
        assert image_size(tmp_path / f"a{suffix}") == (23, 31)


def test_jpeg_is_close_and_cmyk_becomes_rgb(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - flat).max() <= 3
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "b.jpg", quality=100, subsampling=0)
    assert np.abs(read_image(tmp_path / "b.jpg").astype(int) - flat).max() <= 5
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "c.tif")
    assert np.abs(read_image(tmp_path / "c.tif").astype(int) - flat).max() <= 2


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_dropped(tmp_path: Path, mode: str, suffix: str) -> None:
    plain = GRAY if mode == "LA" else COLOUR
    Image.fromarray(np.concatenate([np.atleast_3d(plain), ALPHA], 2)).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), plain)


@pytest.mark.parametrize("suffix", [".png", ".gif", ".tif"])
def test_a_palette_is_looked_up(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    picture.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), picture.convert("RGB"))


def test_a_palette_with_transparency_is_looked_up(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    picture.save(tmp_path / "a.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture.convert("RGB"))


def test_16_bit_png_keeps_all_of_its_bits(tmp_path: Path) -> None:
    from imagecodecs import png_encode

    for pixels in (DEEP[..., 0].copy(), DEEP, np.dstack([DEEP, DEEP[..., :1]])):
        (tmp_path / "a.png").write_bytes(png_encode(pixels))
        expected = pixels[..., :3] if pixels.ndim == 3 else pixels
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    (tmp_path / "a.png").write_bytes(png_encode(DEEP[..., :2].copy()))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), DEEP[..., 0])


@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", ">u2", ">u4", "<i2", "<f4", ">f4", ">f8"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_tiff_keeps_values_in_native_order(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    pixels = (GRAY > 99 if dtype == "?" else GRAY).astype(dtype)
    if dtype == "?" and compression == "lzw":
        pytest.skip("single bits are not written with LZW")
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        byteorder=">" if dtype[0] == ">" else "<",
        compression=compression,
    )
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype.isnative


def test_1_bit_png_is_bool(tmp_path: Path) -> None:
    Image.fromarray(GRAY > 99).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GRAY > 99)


def test_white_is_zero_is_inverted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - GRAY)


def test_an_imagej_palette_is_only_how_it_is_shown(tmp_path: Path) -> None:
    green = np.zeros((3, 256), np.uint8)
    green[1] = np.arange(256)
    tifffile.imwrite(tmp_path / "a.tif", GRAY, imagej=True, metadata={"LUTs": [green]})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GRAY)


def test_planar_rgb_and_a_pyramid(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", COLOUR.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOUR)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(COLOUR, photometric="rgb", tile=(16, 16), compression="zlib")
        file.write(COLOUR[::2, ::2], photometric="rgb", tile=(16, 16))
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), COLOUR)


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.png", GRAY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GRAY)


# -- planes and channels --------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_wants_a_plane(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", compression=compression)
    assert "stack of 5 planes: name one with --plane" in wrong(path)
    assert "no plane 5" in wrong(path, plane=5)
    assert "no plane -1" in wrong(path, plane=-1)
    for plane in range(5):
        np.testing.assert_array_equal(read_image(path, plane=plane), STACK[plane])
    assert image_info(path).planes == 5
    assert image_size(path) == (23, 31)


def test_a_film_of_another_format_wants_a_plane(tmp_path: Path) -> None:
    frames = [Image.fromarray(s) for s in STACK]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert "stack of 5 planes" in wrong(tmp_path / "a.png")
    assert image_info(tmp_path / "a.png").planes == 5
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", plane=3), STACK[3])


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_hyperstack_counts_planes_and_channels_apart(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    array = np.random.default_rng(5).integers(0, 256, (2, 3, 4, 9, 8), np.uint8)
    imagej = kind == "imagej"
    tifffile.imwrite(path, array, metadata={"axes": "TZCYX"}, imagej=imagej, ome=not imagej)
    info = image_info(path)
    assert (info.planes, info.channels) == (6, 4)
    assert "stack of 6 planes" in wrong(path, channels=0)
    assert "4 channels: name one, or up to three" in wrong(path, plane=0)
    assert "no channel 4" in wrong(path, plane=0, channels=4)
    assert "name one to three" in wrong(path, plane=0, channels=(0, 1, 2, 3))
    np.testing.assert_array_equal(read_image(path, plane=4, channels=2), array[1, 1, 2])
    two = read_image(path, plane=5, channels=(3, 0))
    np.testing.assert_array_equal(two[..., :2], array[1, 2, [3, 0]].transpose(1, 2, 0))
    assert not two[..., 2].any()


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    array = np.random.default_rng(6).integers(0, 256, (9, 8, 5), np.uint8)
    tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    assert "5 channels" in wrong(path)
    np.testing.assert_array_equal(read_image(path, channels=4), array[..., 4])


def test_a_channel_of_rgb_can_be_taken(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", channels=2), COLOUR[..., 2])


def test_only_the_wanted_page_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", compression="zlib")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda *a, **k: pytest.fail("all read"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", plane=2), STACK[2])


def test_several_images_in_one_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY)
        file.write(GRAY.astype(np.float32))
    assert "2 separate images" in wrong(tmp_path / "a.tif")


@given(st.permutations("ZCYX"), st.integers(0, 2), st.integers(0, 1))
def test_to_plane_finds_its_axes(order: list[str], plane: int, channel: int) -> None:
    array = np.arange(3 * 2 * 4 * 5).reshape(3, 2, 4, 5)
    moved = array.transpose(["ZCYX".index(a) for a in order])
    np.testing.assert_array_equal(
        to_plane(moved, "".join(order), plane, channel), array[plane, channel]
    )


# -- what cannot be read --------------------------------------------------------------


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image at all", encoding="utf-8")
    (tmp_path / "fake.tif").write_bytes(b"II*\0" + b"rubbish " * 9)
    (tmp_path / "folder.png").mkdir()
    assert "no such file" in wrong(tmp_path / "missing.png")
    assert "is empty (0 bytes)" in wrong(tmp_path / "empty.png")
    assert "not an image" in wrong(tmp_path / "text.png")
    assert "is a folder" in wrong(tmp_path / "folder.png")
    wrong(tmp_path / "fake.tif")
    with pytest.raises(UserError, match="not an image"):
        image_size(tmp_path / "text.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    assert "permission denied" in wrong(tmp_path / "a.png")


def test_a_refusal_by_the_system_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in wrong(tmp_path / "a.png")


def test_a_picture_beyond_the_limit_of_its_decoder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    assert "save it as TIFF" in wrong(tmp_path / "a.png")


def test_complex_and_empty_tiffs(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAY.astype(np.complex64))
    assert "complex64" in wrong(tmp_path / "a.tif")
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "b.tif", np.zeros((0, 5), np.uint8), metadata=None)
    wrong(tmp_path / "b.tif")


TIFFS: dict[str, dict[str, Any]] = {
    "plain.tif": {},
    "zlib.tif": {"compression": "zlib", "rowsperstrip": 4},
    "lzw.tif": {"compression": "lzw"},
    "tiles.tif": {"tile": (16, 16)},
    "imagej.tif": {"imagej": True},
    "ome.ome.tif": {"metadata": {"axes": "ZYX"}},
}


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("name", TIFFS)
def test_a_cut_tiff_is_never_read_in_part(tmp_path: Path, name: str, stack: bool) -> None:
    pixels = STACK if stack else GRAY
    options = dict(TIFFS[name])
    if not stack:
        options.pop("metadata", None)
    tifffile.imwrite(tmp_path / name, pixels, photometric="minisblack", **options)
    assert_never_partly_read(tmp_path / name, STACK[4] if stack else GRAY, 4 if stack else None)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg", "a.gif", "a.webp", "a.ppm"])
def test_a_cut_file_of_another_format_is_never_read_in_part(tmp_path: Path, name: str) -> None:
    Image.fromarray(COLOUR).save(tmp_path / name)
    assert_never_partly_read(tmp_path / name, read_image(tmp_path / name), None)


def test_a_cut_16_bit_png_is_never_read_in_part(tmp_path: Path) -> None:
    from imagecodecs import png_encode

    (tmp_path / "a.png").write_bytes(png_encode(DEEP))
    assert_never_partly_read(tmp_path / "a.png", DEEP, None)


def assert_never_partly_read(path: Path, whole: np.ndarray, plane: int | None) -> None:
    """Cut the file at many places: each is an error, or nothing of the picture was lost."""
    data = path.read_bytes()
    refused = 0
    cuts = [*range(1, len(data), max(1, len(data) // 40)), *range(len(data) - 16, len(data))]
    for cut in cuts:
        path.write_bytes(data[:cut])
        try:
            found = read_image(path, plane=plane)
        except UserError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, whole)
    assert refused >= 0.3 * len(cuts)


# -- finding --------------------------------------------------------------------------


def test_find_images(tmp_path: Path) -> None:
    for name in ("b10.png", "b2.TIF", "a.jpg", ".hidden.png", "notes.txt", "odd[1].png"):
        (tmp_path / name).touch()
    (tmp_path / "below.png").mkdir()
    names = [p.name for p in find_images(tmp_path)]
    assert names == ["a.jpg", "b2.TIF", "b10.png", "odd[1].png"]
    assert [p.name for p in find_images(str(tmp_path / "b*"))] == ["b2.TIF", "b10.png"]
    assert [p.name for p in find_images(tmp_path / "odd[1].png")] == ["odd[1].png"]
    assert [p.name for p in find_images(tmp_path / "notes.txt")] == ["notes.txt"]
    assert [p.name for p in find_images([tmp_path / "b10.png", tmp_path])] == [
        "b10.png",
        "a.jpg",
        "b2.TIF",
        "odd[1].png",
    ]


@pytest.mark.parametrize("name", ["missing", "empty", "empty/*.png", "*.xyz"])
def test_finding_nothing_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no (such|image)"):
        find_images(tmp_path / name)
    with pytest.raises(UserError, match="no image was named"):
        find_images([])


# -- normalising ----------------------------------------------------------------------


def plainly(pixels: np.ndarray) -> np.ndarray:
    """Compute the same by the book, for images without holes."""
    x = pixels.astype(np.float64)[..., :3] if pixels.ndim == 3 else pixels.astype(float)[..., None]
    is_two = x.shape[2] == 3 and not x[..., 2].any()  # channels shown as colours
    low, high = np.percentile(x[..., :2] if is_two else x, [1, 99.8])
    x = np.clip((x - low) / max(high - low, 1e-6), -0.3, 1.5)
    return np.broadcast_to(x, (*x.shape[:2], 3))


@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", "<u2", ">u2", "i1", "<i2", "<i4", ">u4", "<i8", "<u8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
            lambda s: st.sampled_from([s, (*s, 1), (*s, 3), (*s, 4)])
        ),
    )
)
def test_integers_are_normalised_by_the_book(pixels: np.ndarray) -> None:
    found = normalize(pixels)
    assert found.shape == (*pixels.shape[:2], 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plainly(pixels), atol=2e-5)


@given(
    hnp.arrays(
        st.sampled_from(["<f2", "<f4", ">f4", "<f8", ">f8"]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
    )
)
def test_any_float_image_gives_finite_numbers_in_range(pixels: np.ndarray) -> None:
    found = normalize(pixels)
    assert np.isfinite(found).all()
    assert found.min() >= np.float32(LOW)
    assert found.max() <= np.float32(HIGH)


def test_holes_do_not_count() -> None:
    whole = np.random.default_rng(0).normal(100, 20, (50, 40)).astype(np.float32)
    holed = np.concatenate([whole, np.full((3, 40), np.nan, np.float32)])
    holed[-1, :20], holed[-1, 20:] = np.inf, -np.inf
    found = normalize(holed)
    np.testing.assert_array_equal(found[:50], normalize(whole))
    assert not found[50:].any()
    assert find_levels(holed) == find_levels(whole)
    assert not normalize(np.full((4, 4), np.nan)).any()


@pytest.mark.parametrize("value", [0, 1, 200, 65535, 0.1, -3.5, np.inf, True])
def test_a_constant_image_is_zero(value: float) -> None:
    assert not normalize(np.full((5, 5), value)).any()
    assert normalize(np.full((1, 1), value)).shape == (1, 1, 3)


def test_a_dim_float_image_has_the_contrast_of_a_bright_one() -> None:
    bright = np.random.default_rng(0).random((32, 32))
    np.testing.assert_allclose(normalize(bright * 1e-9), normalize(bright), atol=1e-5)


def test_channels_of_an_array() -> None:
    many = np.random.default_rng(0).integers(0, 999, (9, 8, 6), np.uint16)
    np.testing.assert_array_equal(normalize(many), normalize(many[..., :3]))
    np.testing.assert_array_equal(normalize(many, 4), normalize(many[..., 4]))
    np.testing.assert_array_equal(normalize(many, [5, 0, 2]), normalize(many[..., [5, 0, 2]]))
    with pytest.raises(UserError, match="no channel 6"):
        normalize(many, 6)


def test_two_channels_shown_as_colours_are_two_channels() -> None:
    two = np.random.default_rng(0).integers(90, 999, (9, 8, 2), np.uint16)
    shown = np.pad(two, ((0, 0), (0, 0), (0, 1)))
    assert find_levels(shown) == find_levels(two) == LargeImage(shown).find_levels()
    assert LargeImage(shown).without_empty().read((0, 0, 9, 8)).tolist() == two.tolist()
    shown[5, 5, 2] = 1
    assert find_levels(shown) != find_levels(two)
    assert LargeImage(shown).without_empty().read((0, 0, 9, 8)).shape == (9, 8, 3)


def test_levels_of_the_whole_serve_a_part() -> None:
    whole = normalize(COLOUR)
    part = normalize(COLOUR[5:9, 3:20], levels=find_levels(COLOUR))
    np.testing.assert_array_equal(part, whole[5:9, 3:20])


@pytest.mark.parametrize(
    "pixels", [np.zeros((0, 4)), np.zeros(4), np.zeros((2, 2, 2, 2)), np.zeros((2, 2), complex)]
)
def test_what_is_no_image_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(UserError):
        normalize(pixels)


def test_normalising_leaves_its_input_alone() -> None:
    for pixels in (GRAY.copy(), GRAY.astype(np.float32), GRAY.astype(np.float64)):
        before = pixels.copy()
        normalize(pixels)
        np.testing.assert_array_equal(pixels, before)
