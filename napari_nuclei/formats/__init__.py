"""File formats: one small reader and writer a file. No torch, no Qt, nothing imported here."""

from __future__ import annotations
