"""Names of images: which of them mean the same one, and when that is not sure."""

from __future__ import annotations

import unicodedata

import pytest

from napari_nuclei.errors import UserError
from napari_nuclei.formats.image_ids import Listed
from napari_nuclei.formats.image_names import Level, Match, Names, listed, parts_of, settled, shown
from napari_nuclei.nuclei import ImageRecord

NFC, NFD = (unicodedata.normalize(form, "Zelle-é.png") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.png", ("a.png",)),
        ("ctrl/f1.png", ("ctrl", "f1.png")),
        ("ctrl\\f1.png", ("ctrl", "f1.png")),
        ("C:\\data\\ctrl\\f1.png", ("data", "ctrl", "f1.png")),
        ("\\\\server\\share\\f1.png", ("server", "share", "f1.png")),
        ("/data/./ctrl//f1.png", ("data", "ctrl", "f1.png")),
        ("../../x/../f1.png", ("f1.png",)),
        ("my%20image.png", ("my image.png",)),
        ("file:///C:/my%20data/f1.png", ("my data", "f1.png")),
        ("file://localhost/data/f1.png", ("data", "f1.png")),
        (NFD, (NFC,)),
        ("a:b.png", ("a:b.png",)),
        ("", ()),
        ("..", ()),
    ],
)
def test_parts(name: str, parts: tuple[str, ...]) -> None:
    assert parts_of(name) == parts


def found(name: str, *known: str, strict: bool = False) -> Match[str]:
    return Names([(n, n) for n in known], strict).find(name)


@pytest.mark.parametrize(
    ("name", "known", "value", "level"),
    [
        ("x.png", ["x.tif", "x.png"], "x.png", Level.EXACT),
        ("ctrl\\f1.png", ["ctrl/f1.png", "f1.png"], "ctrl/f1.png", Level.CLEAN),
        ("my%20f.png", ["my f.png"], "my f.png", Level.CLEAN),
        (NFD, [NFC], NFC, Level.CLEAN),
        ("f1.png", ["ctrl/f1.png"], "ctrl/f1.png", Level.PLACED),
        ("D:\\exp\\treat\\f1.png", ["ctrl/f1.png", "treat/f1.png"], "treat/f1.png", Level.PLACED),
        ("X.PNG", ["x.png"], "x.png", Level.CASE),
        ("X.png", ["x.png", "X.png"], "X.png", Level.EXACT),
        ("upload/1a2b3c4d-one.png", ["one.png"], "one.png", Level.UPLOAD),
        ("x", ["x.png", "y.png"], "x.png", Level.STEM),
        ("x.ome", ["x.ome.tif", "x.png"], "x.ome.tif", Level.STEM),
        ("x.png", ["x", "y"], "x", Level.STEM),
    ],
)
def test_one_that_is_meant(name: str, known: list[str], value: str, level: Level) -> None:
    assert found(name, *known) == Match(value, level)


@pytest.mark.parametrize(
    ("name", "known", "rivals"),
    [
        ("f1.png", ["ctrl/f1.png", "treat/f1.png"], ("ctrl/f1.png", "treat/f1.png")),
        ("x", ["x.png", "x.tif"], ("x.png", "x.tif")),
        ("a.PNG", ["a.png", "A.png"], ("a.png", "A.png")),
        ("x.png", ["x.tif"], ()),  # another ending is another file
        ("x.png", [], ()),
        ("..", ["x.png"], ()),
    ],
)
def test_what_is_not_sure(name: str, known: list[str], rivals: tuple[str, ...]) -> None:
    match = found(name, *known)
    assert match.value is None
    assert match.rivals == rivals


def test_folders_count_where_they_are_known() -> None:
    assert found("treat/f1.png", "ctrl/f1.png").value == "ctrl/f1.png"
    assert found("treat/f1.png", "ctrl/f1.png", strict=True) == Match()
    assert found("treat/f1.png", "f1.png", strict=True).value == "f1.png"
    assert found("f1.png", "ctrl/f1.png", strict=True).value == "ctrl/f1.png"


def test_no_two_names_mean_the_same() -> None:
    names = Names([("f1.png", 1), ("g.png", 2)])
    match = settled({n: names.find(n) for n in ("f1.png", "treat/f1.png", "g.png")})
    assert {name: m.value for name, m in match.items()} == {
        "f1.png": 1, "treat/f1.png": None, "g.png": 2,
    }  # fmt: skip
    both = settled({n: names.find(n) for n in ("ctrl/f1.png", "treat/f1.png")})
    assert [m.value for m in both.values()] == [None, None]
    written = settled({n: names.find(n) for n in ("a/g.png", "a\\g.png")})
    assert [m.value for m in written.values()] == [2, 2], "they are one name"


def test_names_in_messages() -> None:
    assert (
        shown("a\n\x1b[31mb.png") == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31mb.png"
    )
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


# -- records and records ------------------------------------------------------------------


def records(*names: str, shape: tuple[int, int] = (60, 80)) -> list[ImageRecord]:
    return [ImageRecord(k, name, *shape) for k, name in enumerate(names, 1)]


def test_planes_of_a_stack_are_images() -> None:
    planes = [ImageRecord(7 + k, "s.tif", 60, 80, extra={"plane": [k]}) for k in range(3)]
    found = Listed(planes, "l.json").find_all(reversed(planes))
    assert {id: record.id for id, record in found.items()} == {9: 9, 8: 8, 7: 7}
    with pytest.raises(UserError, match=r"l\.json lists the image s\.tif more than once"):
        Listed(planes, "l.json").find_all(records("s.tif"))


@pytest.mark.parametrize(
    ("listing", "images", "words"),
    [
        (["a.png"], ["b.png"], "l.json does not list the image b.png"),
        (["c/a.png", "t/a.png"], ["a.png"], "l.json does not say whether a.png is c/a.png or t/a"),
        (["a.png"], ["c/a.png", "t/a.png"], "are called a.png, c/a.png and t/a.png, but l.json"),
        (["a.png"], ["a.png", "a.png"], "are the same image of l.json, a.png: keep one"),
        (["a.png", "a.png"], ["a.png"], "lists the image a.png more than once"),
    ],
)
def test_records_that_do_not_fit(listing: list[str], images: list[str], words: str) -> None:
    with pytest.raises(UserError) as error:
        Listed(records(*listing), "l.json").find_all(records(*images))
    assert words in str(error.value)


def test_a_record_of_another_size() -> None:
    known = Listed(records("a.png"), "l.json")
    with pytest.raises(UserError, match=r"a\.png is 80×60 px, but it is 60×80 px in l\.json"):
        known.find_all(records("a.png", shape=(80, 60)))
