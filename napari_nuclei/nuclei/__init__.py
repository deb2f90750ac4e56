"""The nuclei of one image, and what can be done to them: values, no files."""

from . import picture as _picture  # noqa: F401 - so that notebooks draw `Nuclei`
from .image_record import ImageRecord
from .nuclei import Nuclei
from .nucleus import NUCLEUS, Crowd, Kind, Nucleus, Origin, State

__all__ = [
    "NUCLEUS",
    "Crowd",
    "ImageRecord",
    "Kind",
    "Nuclei",
    "Nucleus",
    "Origin",
    "State",
]
