"""One nucleus: its pixels as a mask, without arrays of the whole image."""

from .mask import Mask

__all__ = ["Mask"]
