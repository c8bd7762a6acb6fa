"""Application entities: their AE titles and network addresses (PS3.8 Annex C)."""

from __future__ import annotations

from dataclasses import dataclass

#: Maximum characters of an AE title (PS3.5 Table 6.2-1).
_LONGEST = 16


class AeTitleError(ValueError):
    """A text is not a valid AE title. The message says why."""


def ae_title(text: str) -> str:
    """Return a text as AE title, without the insignificant spaces around it (PS3.5 6.2, AE).

    Raises `AeTitleError` if it is not a valid title.
    """
    title = text.strip(" ")
    if not title:
        raise AeTitleError("An AE title needs at least one character other than space")
    if len(title) > _LONGEST:
        raise AeTitleError(
            f"The AE title {title!r} has {len(title)} characters; at most {_LONGEST} are allowed"
        )
    for character in title:
        if not " " <= character <= "~" or character == "\\":
            raise AeTitleError(
                f"The AE title {title!r} contains the character {character!r}; only printable ASCII characters "
                "other than backslash are allowed"
            )
    return title


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """A remote application entity. Raises `AeTitleError` if `title` is not valid.

    `title`       AE title, without spaces around it
    `host`        host name or address; None if unknown
    `port`        the port it listens on; None if it only opens associations
    `tls`         whether to connect with TLS
    `check_name`  whether its certificate must be issued for `host`; those of many devices name no host
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
