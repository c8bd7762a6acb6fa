"""Application entities: who takes part in an association, and where it is reached (PS3.8 Annex C)."""

from __future__ import annotations

from dataclasses import dataclass

#: Characters of an AE title at most (PS3.5 Table 6.2-1).
_LONGEST = 16


class AeTitleError(ValueError):
    """A text that is no AE title; the message says why."""


def ae_title(text: str) -> str:
    """The AE title that a text is, without the spaces around it, which do not count (PS3.5 6.2, AE).

    Raises `AeTitleError` for what is no title.
    """
    title = text.strip(" ")
    if not title:
        raise AeTitleError("An AE title has at least one character that is no space")
    if len(title) > _LONGEST:
        raise AeTitleError(f"The AE title {title!r} has {len(title)} characters, of {_LONGEST} at most")
    for character in title:
        if not " " <= character <= "~" or character == "\\":
            raise AeTitleError(
                f"The AE title {title!r} has the character {character!r}: letters, digits and signs of ASCII are "
                "allowed, without backslash and control characters"
            )
    return title


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """Another application entity.

    `title`       its AE title, without spaces around it; raises `AeTitleError` for what is none
    `host`        its host name or address; None where that is not known
    `port`        where it listens; None for one that only calls
    `tls`         whether it is called by TLS
    `check_name`  whether its certificate must be for `host`: those of many devices are for no name at all
    """

    title: str
    host: str | None = None
    port: int | None = None
    tls: bool = False
    check_name: bool = True

    def __post_init__(self) -> None:
        if ae_title(self.title) != self.title:
            raise AeTitleError(f"The AE title {self.title!r} has spaces around it")

    def __str__(self) -> str:
        if self.host is None or self.port is None:
            return self.title
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title} at {host}:{self.port}"
