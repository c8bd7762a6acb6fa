"""The report about an association that has ended: who, what, how much, how long, and why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.associations.association import Association
from kinote.scp.associations.session import Session

#: The regular ends of an association.
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class AssociationReport:
    """An association that has ended.

    `done` counts operations by service and outcome. `received` and `sent` are bytes. `ended` is `released`, or the
    reason.
    """

    calling_ae_title: str
    called_ae_title: str
    host: str
    is_secure: bool
    implementation: str
    done: Mapping[tuple[str, str], int]
    received: int
    sent: int
    seconds: float
    ended: str

    @classmethod
    def of(cls, session: Session, seconds: float, ended: str) -> AssociationReport:
        return cls.said(session.association, session.caller, session.done, seconds, ended)

    @classmethod
    def said(
        cls,
        association: Association,
        caller: Caller,
        done: Mapping[tuple[str, str], int],
        seconds: float,
        ended: str,
    ) -> AssociationReport:
        information = association.request.user_information
        return cls(
            calling_ae_title=association.request.calling_ae_title,
            called_ae_title=association.request.called_ae_title,
            host=caller.host,
            is_secure=caller.is_secure,
            implementation=information.implementation_version_name or information.implementation_class_uid,
            done=dict(done),
            received=association.received,
            sent=association.sent,
            seconds=seconds,
            ended=ended,
        )

    def as_log(self) -> dict[str, object]:
        """Return the fields of a log line."""
        return {
            "calling": self.calling_ae_title,
            "called": self.called_ae_title,
            "host": self.host,
            "tls": self.is_secure,
            "implementation": self.implementation,
            **{f"{service}_{outcome}": count for (service, outcome), count in sorted(self.done.items())},
            "bytes_in": self.received,
            "bytes_out": self.sent,
            "seconds": round(self.seconds, 3),
            "ended": self.ended,
        }
