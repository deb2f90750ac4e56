"""`Journals`: which planes and channels of an image a workspace has reviews of."""

from __future__ import annotations

from pathlib import Path

from ..images.planes import Plane
from ..journal.away import known_places
from ..journal.naming import FOLDER, channels_of_part, journals_in, read_name
from ..journal.place import begun, find, kept_as, part_of, was_called

Keys = list[tuple[Plane, str]]


class Journals:
    """The planes and parts of images that have a journal.

    Reviews of what only another reader shows are left out: their pixels are not to be had.
    """

    def __init__(self) -> None:
        self._listed: dict[Path, tuple[int, dict[str, Keys]]] = {}

    def of(self, image: Path) -> Keys:
        """List the planes of an image and their parts that have a journal."""
        image = kept_as(image)
        found = self._in(image.parent).get(image.name, [])
        if not found and (was_called(image) is not None or self._is_away(image)):
            found = begun(image, moved=True)
        return sorted(key for key in found if not key[1].startswith("p"))

    def planes(self, image: Path, count: int) -> list[Plane]:
        """List which of an image's first planes have a journal, of whatever part."""
        found = {plane for plane, _ in self.of(image) if len(plane) == 1}
        return sorted(plane for plane in found if plane[0] < count)

    def parts(self, image: Path, plane: Plane = ()) -> list[str]:
        """List the parts of a plane that have a review of their own; ``[""]`` if none has."""
        return [part for at, part in self.of(image.absolute()) if at == plane] or [""]

    def key(self, image: Path, plane: Plane, part: str) -> tuple[Path, Plane, str]:
        """Return which part of a plane is meant: the one that has a review where none is named."""
        if part:
            return image, plane, part_of(image, plane, channels_of_part(part))
        if find(image, plane) is not None:
            return image, plane, ""
        parts = [p for at, p in self.of(image) if at == plane]
        return image, plane, parts[0] if len(parts) == 1 else ""

    def _in(self, folder: Path) -> dict[str, Keys]:
        """List what is in the folder of journals beside some images."""
        try:
            stamp = (folder / FOLDER).stat().st_mtime_ns
        except OSError:
            return {}
        if self._listed.get(folder, (0,))[0] != stamp:
            found: dict[str, Keys] = {}
            for name in journals_in(folder):
                if (read := read_name(name)) is not None:
                    found.setdefault(read[0], []).append(read[1:])
            self._listed[folder] = (stamp, found)
        return self._listed[folder][1]

    def _is_away(self, image: Path) -> bool:
        home = str(image.absolute().parent)
        return any(key.startswith(home) for key in known_places())
