"""Actors: who does something. Every act has an actor, which is stored in the rows that record the act."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from kinote.security.rights import Right

#: The User-Agent of Kinote's own commands.
COMMAND = "kinote-command"

#: The header in which a client names the person it acts for: UTF-8, percent-encoded, since header fields are ASCII.
ACTOR_HEADER = "Kinote-Actor"

#: The scheme of `Authorization` by which a command shows that it may read the secret of the data directory.
OWNER_SCHEME = "Kinote-Owner"


class ActorKind(StrEnum):
    """A person, a program acting for somebody, another DICOM system, or this server itself."""

    PERSON = "person"
    SYSTEM = "system"
    PEER = "peer"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or system that does something.

    `name` is the name or login of a person, the AE title of a peer, or the name of a program; empty if unknown.
    `address` is the network address of the request; empty if the request did not come over a network.

    Where nobody signs in, neither the name nor the kind in an HTTP request is verified.
    """

    kind: ActorKind
    name: str
    address: str

    @property
    def granted(self) -> Set[Right] | None:
        """The rights that were verified with the name; None where nobody signs in."""
        return None

    @property
    def full_name(self) -> str:
        """The name of who has signed in, as a PN; empty if it is not known."""
        return ""

    def __str__(self) -> str:
        """Describe the actor for sentences such as "Withdrawn by …"."""
        if self.kind is ActorKind.SERVER:
            return "Kinote itself"
        who = f"{_ARTICLES[self.kind]}{self.name}" if self.name else f"an unnamed {self.kind}"
        return f"{who} ({self.address})" if self.address else who

    @property
    def identity(self) -> str:
        """A key for recognizing repeated requests of the same actor.

        Contains the address only for peers, because anybody can use their AE title. A person's address may change
        between two attempts.
        """
        return "\t".join((self.kind, self.name, self.address if self.kind is ActorKind.PEER else ""))

    @property
    def is_verified(self) -> bool:
        """Whether Kinote itself knows who it is: a person who has signed in."""
        return self.kind is ActorKind.PERSON and self.granted is not None and bool(self.name)

    def with_default_name(self, name: str) -> Actor:
        """Return this actor, with `name` if its own name is unknown."""
        return self if self.name else replace(self, name=name)

    def columns(self, prefix: str) -> dict[str, str]:
        """Return the actor as columns of a row, e.g. `by_kind`, `by_name` and `by_address` for the prefix `by`."""
        return {
            f"{prefix}_kind": str(self.kind),
            f"{prefix}_name": self.name,
            f"{prefix}_address": self.address,
        }

    @classmethod
    def stored(cls, kind: str | None, name: str | None, address: str | None) -> Self | None:
        """Make an actor from its columns; None if no actor is recorded.

        Earlier versions stored no kind. A name without a kind is a person's, because only people withdrew anything.
        """
        if not kind and not name:
            return None
        return cls(ActorKind(kind or ActorKind.PERSON), name or "", address or "")


@dataclass(frozen=True, slots=True)
class IdentifiedActor(Actor):
    """The actor of a request where people sign in. The name of a person is the login.

    It is stored as any other: neither the rights nor the full name are.
    """

    granted: Set[Right] = frozenset()
    full_name: str = ""


_ARTICLES = {
    ActorKind.PERSON: "",
    ActorKind.SYSTEM: "the program ",
    ActorKind.PEER: "the peer ",
}

#: The actor of everything that the server does on its own.
KINOTE = Actor(ActorKind.SERVER, "kinote", "")


def command_actor(user: str) -> Actor:
    """Return the actor for a Kinote command that an operating system user runs on this machine."""
    return Actor(ActorKind.SYSTEM, f"{COMMAND}/{user}", "")
