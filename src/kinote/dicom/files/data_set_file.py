"""A data set as part of an open file: how it is handed on without being read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set to be sent: a file at its beginning, and how many bytes of it."""

    file: BinaryIO
    size: int
