"""Options of the DICOM interface: where it listens, whom it admits, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from kinote.dimse.associations.negotiation import MAXIMUM_LENGTH
from kinote.dimse.transport.tls import TlsOptions


@dataclass(frozen=True, slots=True)
class ScpLimits:
    """Limits of the DICOM interface.

    `associations`           open at once; more are rejected as transient (PS3.8 Table 9-21)
    `associations_per_host`  the same, from one address, so that one faulty device leaves room for others
    `unassociated`           connections without an association (yet): the oldest gives way to a new one
    `unassociated_per_host`  the same, from one address
    `idle_seconds`           without a message, until an association is aborted
    `artim_seconds`          the ARTIM timer (PS3.8 9.1.4): from connecting to the request, TLS included; and from
                             the last PDU to the end of the connection
    `message_seconds`        between two PDUs of one message
    `largest_object`         of a stored object, in bytes; None: as large as there is room for
    `largest_pdu`            the largest P-DATA-TF that others may send, in bytes
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
        """Return the limits reduced to this much room. If that is less than wanted, one host gets at most half of
        it.
        """
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
    """What is done with the user identity that a caller sends (PS3.7 D.3.3.7)."""

    #: Ignored, and not answered.
    IGNORED = "ignored"
    #: If there is one, it must be valid.
    ACCEPTED = "accepted"
    #: Every caller must authenticate its user.
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ScpOptions:
    """Options of the DICOM interface.

    `titles`            our AE titles; we call others with the first
    `any_called_title`  whether associations that call another AE title are accepted too
    `host`, `port`      where to listen for plain DICOM; port 0 takes a free one, None disables it
    `tls_port`          where to listen for DICOM by TLS, on the same host; None disables it
    `tls`               our certificate, and the certificates we trust, in both roles
    `unknown_callers`   whether unknown callers may use all services
    `hosts_needed`      whether only peers with a known host are admitted: callers are recognized by address
    `user_identity`     how user identities are handled
    `private_classes`   whether objects of private SOP classes are accepted
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
