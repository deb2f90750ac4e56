"""Which of the images given are segmented, and what each is called in what is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import ImageMismatchError
from ..formats.image_names import Match, Names, last_of, listed, settled, shown
from ..formats.image_sizes import check_size
from ..nuclei import ImageRecord


def named_after(paths: Sequence[Path]) -> dict[Path, ImageRecord]:
    """Return records that call images as their files are called, numbered from 1 on.

    The sizes are not looked at, and are 0.
    """
    return {path: ImageRecord(k, path.name, 0, 0) for k, path in enumerate(paths, 1)}


def wanted(image_ids: Path, paths: Sequence[Path]) -> dict[Path, ImageRecord]:
    """Return the images that a list of ids wants, in its order.

    Raises
    ------
    UserError
        If one is not among those given, it cannot be told which it is, or it has another size.
    """
    from ..formats.results import read_image_ids

    records = read_image_ids(image_ids)
    refuse_doubles((record.file_name for record in records), f"{image_ids} names", "twice")
    names = Names((str(path), path) for path in paths)
    matches = settled({record.file_name: names.find(record.file_name) for record in records})
    _refuse_gaps(matches, image_ids)
    out = {}
    for record in records:
        path = matches[record.file_name].value
        assert path is not None
        out[path] = record
    for path, record in out.items():
        check_size(path, record.shape, image_ids)
    return out


def _refuse_gaps(matches: Mapping[str, Match[Path]], source: Path) -> None:
    missing = [name for name, match in matches.items() if match.value is None]
    if not missing:
        return
    name = missing[0]
    match = matches[name]
    last = shown(last_of(name))
    if name in match.rivals:
        raise ImageMismatchError(
            f"{source} names {last} twice, as {listed(match.rivals)}, and one such image is "
            "given: keep one of the entries"
        )
    if match.rivals:
        raise ImageMismatchError(
            f"two images are named {last}, {listed(match.rivals)}, and {source} does not say "
            "which is meant: segment them separately"
        )
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise ImageMismatchError(
        f"{source} names {shown(name)}{more}, which is not among the images given."
    )


def refuse_doubles(names: Iterable[str], before: str, after: str) -> None:
    """Refuse names that come twice, with words around the first of them."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ImageMismatchError(f"{before} {shown(name)} {after}: keep one of them")
        seen.add(name)
