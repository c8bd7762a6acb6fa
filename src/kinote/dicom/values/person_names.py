"""Person names (PS3.5 6.2.1): up to three component groups, each with up to five components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_GROUPS, _COMPONENTS = 3, 5


def has_surplus(name: str) -> bool:
    """Return whether a name has more component groups, or a group more components, than the standard allows."""
    if "=" not in name:
        return name.count("^") >= _COMPONENTS
    groups = name.split("=")
    return len(groups) > _GROUPS or any(group.count("^") >= _COMPONENTS for group in groups)


#: The component groups of a PN in DICOM JSON, in their order (PS3.18 F.2.2).
JSON_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def joined_groups(value: Mapping[str, str] | None) -> str:
    """Return the text of a person name from its DICOM JSON, with `=` between component groups; '' if there is none."""
    return "=".join([value.get(group, "") for group in JSON_GROUPS]).rstrip("=") if value else ""


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in its alphabetic, ideographic and phonetic form, as DICOM text with `^` between components."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @classmethod
    def parse(cls, value: str | None) -> PersonName:
        """Parse the first value of a PN. Surplus groups are ignored."""
        groups = [group.strip(" \0").rstrip("^") for group in (value or "").split("\\")[0].split("=")]
        return cls(*[*groups, "", ""][:3])
