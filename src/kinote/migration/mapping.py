"""Translates names of another system: its titles, patients and users."""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Any

from kinote.keyobject.codes import Code
from kinote.keyobject.titles import TITLES
from kinote.notes.author import Author


class MappingError(ValueError):
    """A mapping that cannot be used. The message names the entry."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Translates foreign titles to codes, patients to other patients (ID, issuer), and users to authors.

    `default_title` is for notes without one, `issuer` for patients without issuer.
    """

    titles: AbstractMapping[str, Code] = field(default_factory=dict)
    patients: AbstractMapping[str, tuple[str, str]] = field(default_factory=dict)
    users: AbstractMapping[str, Author] = field(default_factory=dict)
    default_title: Code | None = None
    issuer: str = ""

    def title(self, value: str, scheme: str, meaning: str) -> Code | None:
        """Return the code of a title; None if nothing is known by that name."""
        mapped = self.titles.get(f"{scheme}|{value}") or self.titles.get(value)
        if mapped is not None:
            return mapped
        if not value:
            return self.default_title
        if scheme:
            return Code(value, scheme, meaning)
        return _BY_NAME.get(value.casefold())

    def patient(self, patient_id: str, issuer: str) -> tuple[str, str]:
        """Return Patient ID and issuer."""
        mapped = self.patients.get(patient_id)
        if mapped is not None:
            return mapped[0], mapped[1] or issuer or self.issuer
        return patient_id, (issuer or self.issuer) if patient_id else ""

    def author(self, name: str) -> Author:
        """Return the author with a name. A name that is not mapped is unchanged."""
        return self.users.get(name) or Author("person", name)


#: The titles of CID 7010, by value and by meaning.
_BY_NAME = {code.value: code for code in TITLES} | {code.meaning.casefold(): code for code in TITLES}

_PARTS = ("titles", "patients", "users", "default_title", "issuer")


def mapping_of(written: object) -> Mapping:
    """Return the mapping of a mapping file (docs/migration.md). Raises `MappingError`."""
    if not isinstance(written, dict):
        raise MappingError("It is no table of titles, patients and users.")
    if unknown := [name for name in written if name not in _PARTS]:
        raise MappingError(f"{unknown[0]!r} is none of {', '.join(_PARTS)}.")
    default = written.get("default_title")
    return Mapping(
        titles={name: _code("titles", name, value) for name, value in _table(written, "titles").items()},
        patients={name: _patient(name, value) for name, value in _table(written, "patients").items()},
        users={name: _user(name, value) for name, value in _table(written, "users").items()},
        default_title=None if default is None else _code("default_title", "", default),
        issuer=_text("issuer", written.get("issuer", "")),
    )


def _table(written: dict[str, Any], name: str) -> dict[str, Any]:
    found = written.get(name, {})
    if not isinstance(found, dict):
        raise MappingError(f"{name} is no table.")
    return found


def _text(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise MappingError(f"{place}: {value!r} is no text.")
    return value


def _code(part: str, name: str, value: object) -> Code:
    """Return the code of `113000`, of a meaning of CID 7010, or of `scheme|value|meaning`."""
    place = f"{part}.{name}".rstrip(".")
    scheme, _, rest = _text(place, value).partition("|")
    code, _, meaning = rest.partition("|")
    if code:
        return Code(code, scheme, meaning)
    known = _BY_NAME.get(scheme.casefold())
    if known is None:
        raise MappingError(
            f"{place}: {value!r} is no title of CID 7010; write its value or meaning, or scheme|value|meaning."
        )
    return known


def _patient(name: str, value: object) -> tuple[str, str]:
    if isinstance(value, str):
        return value, ""
    if isinstance(value, dict) and not value.keys() - {"id", "issuer"} and value.get("id"):
        return _text(f"patients.{name}", value["id"]), _text(f"patients.{name}", value.get("issuer", ""))
    raise MappingError(f"patients.{name}: write a Patient ID, or a table of id and issuer.")


def _user(name: str, value: object) -> Author:
    if isinstance(value, str):
        return Author("person", value)
    if isinstance(value, dict) and not value.keys() - {"name", "login", "kind"} and value.get("name"):
        kind = _text(f"users.{name}", value.get("kind", "person"))
        login = _text(f"users.{name}", value.get("login", ""))
        return Author(kind, _text(f"users.{name}", value["name"]), login)
    raise MappingError(f"users.{name}: write a name, or a table of name, login and kind.")
