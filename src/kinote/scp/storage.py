"""C-STORE: receives objects (PS3.4 Annex B).

The data set goes to intake directly from the connection's buffer. The response is sent when the object is durable and
in the index (law 6).
"""

from __future__ import annotations

import logging

from kinote.dicom.values import uids
from kinote.dimse import statuses
from kinote.dimse.associations.association import Message
from kinote.dimse.commands import CStoreRequest, CStoreResponse
from kinote.dimse.operations.refusals import comment
from kinote.intake.expected import BareDataSet
from kinote.intake.outcome import Outcome, refused
from kinote.scp.associations.session import Session

log = logging.getLogger(__name__)


def perform(session: Session, message: Message) -> None:
    request = message.command
    assert isinstance(request, CStoreRequest)
    outcome = _receive(session, message, request)
    if outcome.reason:
        log.info(
            "An object was not simply stored",
            extra={
                "calling": session.calling_ae_title,
                "sop_instance_uid": request.affected_sop_instance_uid,
                "outcome": outcome.kind,
                "reason": outcome.reason,
            },
        )
    status = outcome.warning or statuses.SUCCESS if outcome.succeeded else outcome.status
    answer = CStoreResponse(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
        status=status,
        error_comment=None if status == statuses.SUCCESS else comment(_said(outcome)),
    )
    session.association.send(message.context, answer)
    session.done["store", outcome.kind] += 1


def _receive(session: Session, message: Message, request: CStoreRequest) -> Outcome:
    if not message.command.has_data_set:
        return _refused(session, request, statuses.CANNOT_UNDERSTAND, "No data set came with the request.")
    for what, uid in (
        ("SOP Class", request.affected_sop_class_uid),
        ("SOP Instance", request.affected_sop_instance_uid),
    ):
        if not uids.is_tolerable(uid):
            return _refused(session, request, statuses.CANNOT_UNDERSTAND, f"Affected {what} UID is no UID.")
    expected = BareDataSet(
        request.affected_sop_class_uid, request.affected_sop_instance_uid, message.context.transfer_syntax
    )
    upload = session.way_in.open(session.origin, expected)
    left = session.largest_object
    try:
        for piece in session.association.data_set():
            upload.write(piece)
            if left is not None:
                left -= len(piece)
                if left < 0:
                    upload.abandon()
                    why = "The object is larger than is taken here."
                    return _refused(session, request, statuses.OUT_OF_RESOURCES, why)
    except BaseException:
        upload.break_off("The association ended before the object was whole.")
        raise
    return upload.finish(sync_here=True).result()


def _refused(session: Session, request: CStoreRequest, status: int, why: str) -> Outcome:
    """Refuse an object before it reaches intake, and record that."""
    refusal = refused(
        status,
        why,
        sop_class_uid=request.affected_sop_class_uid,
        sop_instance_uid=request.affected_sop_instance_uid,
    )
    session.way_in.observe(refusal.sent_by(session.origin))
    return refusal


def _said(outcome: Outcome) -> str:
    """Return why the status is not success: the first finding."""
    if outcome.reason:
        return outcome.reason
    return outcome.findings[0] if outcome.findings else f"The key object is {outcome.registration}."
