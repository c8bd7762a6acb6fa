"""Actors: who does something. Every act has one, and every row that records who did something holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

#: What Kinote's own commands call themselves over HTTP (User-Agent).
COMMAND = "kinote-command"


class ActorKind(StrEnum):
    """A person, a program that acts for somebody, another DICOM system, or this server by itself."""

    PERSON = "person"
    SYSTEM = "system"
    PEER = "peer"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something.

    `name` is the name or login of a person, the AE title of a peer, the name of a program; empty if it is not known.
    `address` is the network address that the request came from; empty if it came from this machine without a network.
    Until people sign in, neither a name nor a kind given over HTTP is verified.
    """

    kind: ActorKind
    name: str
    address: str

    def __str__(self) -> str:
        """In words, for sentences such as "Withdrawn by …"."""
        if self.kind is ActorKind.SERVER:
            return "Kinote itself"
        who = f"{_ARTICLES[self.kind]}{self.name}" if self.name else f"an unnamed {self.kind}"
        return f"{who} ({self.address})" if self.address else who

    @property
    def identity(self) -> str:
        """What tells this actor from others, for keys of requests: a request that is repeated has the same.

        The address counts only for a peer, whose AE title anybody can use. A person's may change between two attempts.
        """
        return "\t".join((self.kind, self.name, self.address if self.kind is ActorKind.PEER else ""))

    def named(self, name: str) -> Actor:
        """The same actor under this name, if it has none yet."""
        return self if self.name else replace(self, name=name)

    def columns(self, prefix: str) -> dict[str, str]:
        """The actor as the three columns of a row: `by_kind`, `by_name`, `by_address` for the prefix `by`."""
        return {
            f"{prefix}_kind": str(self.kind),
            f"{prefix}_name": self.name,
            f"{prefix}_address": self.address,
        }

    @classmethod
    def stored(cls, kind: str | None, name: str | None, address: str | None) -> Self | None:
        """The inverse of `columns`; None where nobody is recorded.

        Earlier versions stored no kind. A name without one is that of a person: nobody else withdrew anything.
        """
        if not kind and not name:
            return None
        return cls(ActorKind(kind or ActorKind.PERSON), name or "", address or "")


_ARTICLES = {
    ActorKind.PERSON: "",
    ActorKind.SYSTEM: "the program ",
    ActorKind.PEER: "the peer ",
}

#: What the server does by itself, asked by nobody.
KINOTE = Actor(ActorKind.SERVER, "kinote", "")


def command_actor(user: str) -> Actor:
    """A command of Kinote on this machine, run by this user of the operating system."""
    return Actor(ActorKind.SYSTEM, f"{COMMAND}/{user}", "")
