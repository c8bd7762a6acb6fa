"""The job that tells a destination which instances of its studies are available: N-CREATE (PS3.4 R.3.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from kinote.catalog.known_systems import availability_rows, destination_rows, peer_rows
from kinote.catalog.known_systems.availability_rows import DueStudy
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.availability.notification import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    encoded,
    notifications,
)
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.values.uids import new_uid
from kinote.dimse import statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import NotAcceptedError
from kinote.dimse.operations.normalized import n_create
from kinote.dimse.transport.tls import TlsOptions
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.lifecycle.availability import availability_of
from kinote.peers.destination import Destination, destination_of
from kinote.peers.peer import EndpointKind, endpoint_of
from kinote.telemetry.clock import Clock

#: A destination may be down over a weekend.
TELL_AVAILABILITY = JobKind(
    "tell-availability",
    "tells a destination which instances of changed studies are available (Instance Availability Notification)",
    attempts=80,
    longest_pause=timedelta(hours=1),
    at_once=8,
)

#: The number of studies looked up at once.
_PAGE = 100

_PROPOSAL = Proposal(
    [(INSTANCE_AVAILABILITY_NOTIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))]
)

#: A study that is not accepted now waits for as long as it has been owed, within these limits: the wait doubles.
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)

#: After this many studies in a row that are not accepted now, the destination is left alone until the next attempt.
_NOT_TAKEN_IN_A_ROW = 100

#: Failures of N-CREATE that may be temporary (PS3.7 Annex C.5.1, C.5.17): the next attempt sends them again.
_MAY_PASS = frozenset({statuses.PROCESSING_FAILURE, statuses.RESOURCE_LIMITATION})


class NotTakenError(RuntimeError):
    """A destination does not accept a notification now, but may later."""


def wanting_availability(connection: Connection) -> list[Destination]:
    """Return the destinations that want to be told, including those that cannot be sent anything now (`hindrance`)."""
    found = map(destination_of, destination_rows.destinations_in_use(connection))
    return [each for each in found if each.policy.availability and each.kind == EndpointKind.DIMSE]


class TellAvailability:
    """Performs the job, study by study. A study that the destination refuses does not hold up the others.

    A study that is not accepted now waits, and the attempt fails after the others have been told. It is scheduled again
    when it is due. A destination that accepts none of many studies in a row is left alone until the next attempt.

    `title` is our AE title: it calls, and the instances can be retrieved from it.
    """

    def __init__(self, catalog: Catalog, clock: Clock, *, title: str, tls: TlsOptions) -> None:
        self._catalog = catalog
        self._clock = clock
        self._title = title
        self._tls = tls

    def __call__(self, job: LeasedJob) -> Outcome:
        destination = int(job.payload["destination"])
        entity = self._entity(destination)
        if isinstance(entity, str):
            # What is owed is kept. The destination gets another job once it can be told.
            return Done(entity)
        waiting = in_a_row = 0
        not_taken: NotTakenError | None = None
        with association(entity, self._title, _PROPOSAL, tls=self._tls) as opened:
            while in_a_row < _NOT_TAKEN_IN_A_ROW and (page := self._due(destination)):
                for study in page:
                    if job.is_ending():
                        return LeftOff()
                    try:
                        self._tell(job, opened, destination, study)
                        in_a_row = 0
                    except NotTakenError as error:
                        self._postpone(job, destination, study)
                        not_taken, waiting, in_a_row = error, waiting + 1, in_a_row + 1
        if not_taken is not None:
            raise NotTakenError(f"{not_taken} {waiting} studies are told of later.") from not_taken
        with self._catalog.read() as connection:
            refused = availability_rows.number_refused(connection, destination)
        told = job.progress.get("told", 0)
        return Done(
            f"It was told of {told} studies; {refused} that it has refused are left until they change."
        )

    def _entity(self, destination: int) -> ApplicationEntity | str:
        """Return the application entity to tell, or a sentence why it cannot be told now."""
        with self._catalog.read() as connection:
            wanting = {each.id: each for each in wanting_availability(connection)}
            if destination not in wanting:
                return "The destination no longer wants to be told."
            if wanting[destination].hindrance:
                return wanting[destination].hindrance
            row = peer_rows.endpoint_row(connection, wanting[destination].endpoint)
        return "The endpoint of the destination is gone." if row is None else endpoint_of(row).entity

    def _due(self, destination: int) -> list[DueStudy]:
        with self._catalog.read() as connection:
            now = moment_of(connection, self._clock)
            return availability_rows.due(connection, destination, now=now, limit=_PAGE)

    def _tell(self, job: LeasedJob, opened: Association, destination: int, study: DueStudy) -> None:
        refusal = ""
        try:
            for notification in self._notifications(opened, study):
                refusal = refusal or _create(opened, notification)
        except NotAcceptedError as error:
            raise PermanentError(f"The destination does not take notifications: {error}") from error
        settle: Callable[[Connection], None] = partial(
            availability_rows.settle, destination=destination, told=study
        )
        if refusal:
            settle = partial(availability_rows.refuse, destination=destination, told=study, refusal=refusal)
        job.write(settle, {"told": job.progress.get("told", 0) + (not refusal)})

    def _postpone(self, job: LeasedJob, destination: int, study: DueStudy) -> None:
        def work(transaction: Connection) -> None:
            now = moment_of(transaction, self._clock)
            wait = min(max(now - study.changed_at, _SHORTEST_WAIT), _LONGEST_WAIT)
            availability_rows.postpone(transaction, destination, study, now + wait)

        job.write(work)

    def _notifications(self, opened: Association, study: DueStudy) -> list[bytes]:
        context = opened.context_for(INSTANCE_AVAILABILITY_NOTIFICATION)
        implicit_vr = context is not None and context.transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
        with self._catalog.read() as connection:
            uid = study.study_instance_uid
            made = notifications(uid, availability_of(connection, uid), self._title)
            return [encoded(each, implicit_vr=implicit_vr) for each in made]


def _create(opened: Association, notification: bytes) -> str:
    """Send a notification. Return why it was refused, or "". Raises `NotTakenError` if it may be accepted later."""
    answer, _ = n_create(opened, INSTANCE_AVAILABILITY_NOTIFICATION, new_uid(), notification)
    if answer.status == statuses.SUCCESS or statuses.is_warning(answer.status):
        return ""
    said = (answer.error_comment or "no reason given").rstrip(".")
    refusal = f"The destination refused with status {answer.status:04X}H: {said}."
    if answer.status in _MAY_PASS:
        raise NotTakenError(refusal)
    return refusal
