"""Checks of the model. Each names the field that it rejects."""

from __future__ import annotations

from kinote.dicom.values import uids
from kinote.keyobject.codes import Code
from kinote.keyobject.values.texts import problem_with, problem_with_copy

#: Characters of Code Value (0008,0100), SH; longer ones are Long or URN Code Values, which are ASCII here.
_SHORT_CODE = 16


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
    problem = problem_with_code(code)
    if problem:
        raise InvalidKeyObjectError(field, problem)


def problem_with_code(code: Code) -> str | None:
    """Return why a code cannot be written (PS3.3 section 8); None if it can be, and is read back the same."""
    if not code.meaning:
        return f"the code {code.value} of {code.scheme} has no meaning"
    for part, vr, text in (("scheme", "SH", code.scheme), ("meaning", "LO", code.meaning)):
        problem = problem_with(vr, text)
        if problem or not text:
            return f"the {part} {problem or 'is empty'}"
    if not code.value.isprintable() or "\\" in code.value:
        return f"{code.value!r} is no code value"
    if code.value.strip(" ") != code.value:
        return f"{code.value!r} begins or ends with a space"
    if not code.value.isascii() and len(code.value) > _SHORT_CODE:
        return f"{code.value!r} is no code value"
    return None


def require_numbers(field: str, numbers: tuple[int, ...], largest: int) -> None:
    require(all(number >= 1 for number in numbers), field, f"{field} are counted from 1")
    require(all(number <= largest for number in numbers), field, f"{field} go to {largest}")
    require(len(set(numbers)) == len(numbers), field, "a number is given twice")


def require_copy(field: str, text: str) -> None:
    problem = problem_with_copy(text)
    if problem:
        raise InvalidKeyObjectError(field, problem)
