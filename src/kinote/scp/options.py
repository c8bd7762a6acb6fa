"""What the DICOM face is told at its start: where it listens, whom it lets in, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from kinote.dimse.negotiation import MAXIMUM_LENGTH
from kinote.dimse.tls import TlsOptions


@dataclass(frozen=True, slots=True)
class ScpLimits:
    """How much is taken, and how long is waited.

    `associations`           open at once; those beyond are rejected as transient (PS3.8 Table 9-21)
    `associations_per_host`  the same, from one address: one device gone wild leaves room for the others
    `unassociated`           connections without an association (yet): the oldest gives way to a new one
    `unassociated_per_host`  the same, from one address
    `idle_seconds`           without a message, until an association is aborted
    `artim_seconds`          the ARTIM timer (PS3.8 9.1.4): from connecting to the request, TLS included; and from
                             the last word to the end of the connection
    `message_seconds`        between two PDUs of one message
    `largest_object`         bytes of a stored object; None: as many as there is room for
    `largest_pdu`            bytes of a P-DATA-TF that we ask others not to exceed
    """

    associations: int = 200
    associations_per_host: int = 50
    unassociated: int = 128
    unassociated_per_host: int = 64
    idle_seconds: float = 600.0
    artim_seconds: float = 15.0
    message_seconds: float = 60.0
    largest_object: int | None = None
    largest_pdu: int = MAXIMUM_LENGTH

    def within(self, associations: int, unassociated: int) -> ScpLimits:
        """The same where there is room for so many. Where that is less, one host does not get more than a half."""
        return replace(
            self,
            associations=associations,
            associations_per_host=_share(self.associations_per_host, self.associations, associations),
            unassociated=unassociated,
            unassociated_per_host=_share(self.unassociated_per_host, self.unassociated, unassociated),
        )


def _share(of_one: int, wanted: int, given: int) -> int:
    return min(of_one, max(given // 2, 1)) if given < wanted else of_one


class UserIdentities(StrEnum):
    """What is done with the user identity that a caller names (PS3.7 D.3.3.7)."""

    #: It is not looked at, and not answered.
    IGNORED = "ignored"
    #: It must be right where a caller names one.
    ACCEPTED = "accepted"
    #: Every caller must prove who its user is.
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ScpOptions:
    """The DICOM face's options.

    `titles`            our AE titles; with the first of them we call others
    `any_called_title`  whether associations that call somebody else are taken too
    `host`, `port`      where plain DICOM is listened for; port 0 takes a free one, None: not at all
    `tls_port`          where DICOM by TLS is listened for, on the same host; None: not at all
    `tls`               our certificate, and whom we believe, in both roles
    `unknown_callers`   whether entities that are no peers may ask for everything
    `hosts_needed`      whether only peers are let in whose hosts are known: callers are told by their addresses
    `user_identity`     what is done with user identities
    `private_classes`   whether objects of private SOP classes are taken
    """

    titles: tuple[str, ...] = ("KINOTE",)
    any_called_title: bool = False
    host: str = "127.0.0.1"
    port: int | None = 11112
    tls_port: int | None = None
    tls: TlsOptions = field(default_factory=TlsOptions)
    unknown_callers: bool = True
    hosts_needed: bool = False
    private_classes: bool = True
    user_identity: UserIdentities = UserIdentities.IGNORED
    limits: ScpLimits = field(default_factory=ScpLimits)
