"""One and many of everything that is counted for a person."""

from __future__ import annotations

import pytest

from napari_nuclei.wording import are, counted


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [
        (0, "image", "0 images"),
        (1, "nucleus", "1 nucleus"),
        (1200, "nucleus", "1,200 nuclei"),
        (2, "entry", "2 entries"),
        (2, "locked tile", "2 locked tiles"),
    ],
)
def test_one_and_many(number: int, thing: str, said: str) -> None:
    assert counted(number, thing) == said
    assert counted(2, "axis", "axes") == "2 axes"
    assert are(number) == ("is" if number == 1 else "are")
