"""Checks of the model. Each names the field that it rejects."""

from __future__ import annotations

from kinote.dicom.values import uids
from kinote.keyobject.codes import Code
from kinote.keyobject.texts import problem_with, problem_with_copy


class InvalidKeyObjectError(ValueError):
    """A document that must not exist. `field` names what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


def require(condition: bool, field: str, what: str) -> None:
    if not condition:
        raise InvalidKeyObjectError(field, what)


def require_text(vr: str, field: str, text: str) -> None:
    problem = problem_with(vr, text)
    if problem:
        raise InvalidKeyObjectError(field, problem)


def require_uids(holder: object, names: tuple[str, ...]) -> None:
    """Check that UIDs can be written and serve as keys. Received UIDs may be irregular."""
    for name in names:
        value = getattr(holder, name)
        if not uids.is_tolerable(value) or len(value) > 64:
            raise InvalidKeyObjectError(name, f"{value!r} is no UID")


def require_code(field: str, code: Code) -> None:
    require(bool(code.meaning), field, f"the code {code.value} of {code.scheme} has no meaning")
    require_text("SH", field, code.scheme)
    require_text("LO", field, code.meaning)
    require(code.value.isprintable() and "\\" not in code.value, field, f"{code.value!r} is no code value")
    require(code.value.strip(" ") == code.value, field, f"{code.value!r} begins or ends with a space")
    require(code.value.isascii() or len(code.value) <= 16, field, f"{code.value!r} is no code value")


def require_numbers(field: str, numbers: tuple[int, ...], largest: int) -> None:
    require(all(number >= 1 for number in numbers), field, f"{field} are counted from 1")
    require(all(number <= largest for number in numbers), field, f"{field} go to {largest}")
    require(len(set(numbers)) == len(numbers), field, "a number is given twice")


def require_copy(field: str, text: str) -> None:
    problem = problem_with_copy(text)
    if problem:
        raise InvalidKeyObjectError(field, problem)
