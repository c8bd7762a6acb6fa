"""The UIDs of what is filled in and sent: numbered in order, or scattered as if drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "2.25.99"

#: Scattered numbers begin here and all have ten digits.
FIRST = 10**9

#: Numbers below this are scattered among as many, no two to the same place: the factor shares no divisor with it.
_NUMBERS, _FACTOR = 9 * 10**9, 5_562_305_899

#: Images of a study are told apart by less than this.
_POSITIONS = 1000


@dataclass(frozen=True, slots=True)
class Naming:
    """How studies, series and instances are named by their numbers.

    In order, a new UID falls beside the last one in an index, which is kinder than what comes from many scanners.
    Scattered, each falls somewhere else. Both have the same length for numbers of ten digits.
    """

    is_scattered: bool = False

    def number(self, number: int) -> int:
        """What stands for a study's or a key object's number in its UIDs and names."""
        return FIRST + number * _FACTOR % _NUMBERS if self.is_scattered else number

    def study(self, number: int) -> str:
        return f"{ROOT}.1.{self.number(number)}"

    def series(self, number: int, position: int) -> str:
        return f"{ROOT}.2.{self.number(number)}.{position}"

    def image(self, number: int, position: int) -> str:
        own = self.number(number * _POSITIONS + position) if self.is_scattered else number
        return f"{ROOT}.3.{own}.{position}"

    def made(self, number: int, position: int) -> str:
        """A key object that was made here, by its study and its position there."""
        own = self.number(number * _POSITIONS + position) if self.is_scattered else number
        return f"{ROOT}.4.{own}.{position}"


IN_ORDER = Naming()
SCATTERED = Naming(is_scattered=True)

study_uid, series_uid, image_uid = IN_ORDER.study, IN_ORDER.series, IN_ORDER.image
