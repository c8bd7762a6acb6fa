"""A data set as part of an open file, to be passed on without being read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set to be sent: a file positioned at its beginning, and its length in bytes."""

    file: BinaryIO
    size: int
