"""Coded concepts (PS3.3 section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept. Two codes are equal if scheme and value are equal; the meaning is only for display."""

    value: str
    scheme: str
    meaning: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.value or not self.scheme:
            raise ValueError("A code needs a value and a coding scheme designator.")

    @property
    def texts(self) -> tuple[str, str, str]:
        return self.value, self.scheme, self.meaning

    def __str__(self) -> str:
        return f"{self.meaning or '?'} ({self.value}, {self.scheme})"


def dcm(value: str, meaning: str) -> Code:
    """Return a code of the DICOM Controlled Terminology (PS3.16 annex D)."""
    return Code(value, "DCM", meaning)
