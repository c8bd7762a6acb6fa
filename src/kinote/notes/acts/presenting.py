"""Stores the presentation states of a note in the transaction that makes it, and finds them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.instances.entries import Placed, insert_with_series
from kinote.catalog.instances.entry import entry_of
from kinote.catalog.instances.headers import headers
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object, note_reference, note_version
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.dicom.pixels.presenting.presentation_states import APPLIED
from kinote.dicom.values import uids
from kinote.keyobject import titles
from kinote.lifecycle import counts
from kinote.notes.acts.checks import printable
from kinote.notes.acts.request import NoteRequest, Problem, RequestedReference
from kinote.notes.creator.context import (
    FIRST_SERIES_NUMBER,
    MANUFACTURER,
    content_moment,
    received_attributes,
)
from kinote.notes.creator.create import studies_by_uid
from kinote.notes.known_instances import KnownInstance, known_instances
from kinote.notes.presentations.states import (
    CannotBePresentedError,
    Identity,
    ImageHeader,
    state_dataset,
)
from kinote.notes.presentations.view import problems_of
from kinote.security.actors import Actor
from kinote.security.origins import Interface, Origin
from kinote.storage.digests import digest_of

#: Before the series of key objects in every list.
_SERIES_NUMBER = FIRST_SERIES_NUMBER - 1

#: Keywords of the attributes that are copied from the study, by field of a key object's header. Those of type 3 are
#: left out where they are empty.
_COPIED = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "study_id": "StudyID",
    "study_description": "StudyDescription",
    "accession_number": "AccessionNumber",
    "referring_physician_name": "ReferringPhysicianName",
}
_OPTIONAL = frozenset({"issuer_of_patient_id", "study_description"})


#: The most states that are made with one note. Each takes some three milliseconds, during which nobody else writes.
MAX_PRESENTATIONS = 100


@dataclass(frozen=True, slots=True)
class _Made:
    study_instance_uid: str
    sop_instance_uid: str
    dataset: bytes


def make_states(
    transaction: Connection,
    request: NoteRequest,
    known: Mapping[str, KnownInstance],
    *,
    by: Actor,
    now: datetime,
) -> tuple[NoteRequest, Mapping[str, KnownInstance], list[Problem]]:
    """Make the states that the references of a request ask for.

    `known` has the instances that the request names. Returns the request in which each such reference names its new
    state, the known instances with the new ones, and what is wrong with the presentations. An image that is not here
    or not live gets no state: the check of its reference says so.
    """
    presented = sum(reference.presentation is not None for reference in request.references)
    if not presented:
        return request, known, []
    if presented > MAX_PRESENTATIONS:
        text = (
            f"At most {MAX_PRESENTATIONS} images of a note have a presentation; leave it out of the others."
        )
        return request, known, [Problem("references", text)]
    making = _Making(transaction, request, known, now)
    references = tuple(making.named(position) for position in range(len(request.references)))
    if not making.problems:
        _store(transaction, making.made, by=by, now=now)
        known = {**known, **known_instances(transaction, [each.sop_instance_uid for each in making.made])}
    return replace(request, references=references), known, making.problems


def states_only_of(transaction: Connection, version: int, *, kept: Collection[str] = ()) -> list[str]:
    """Return the UIDs of live states that were made here for a note version and that nothing else needs.

    Those are `kept` that its next version names. States that another live note names stay as well.
    """
    named = (
        select(note_reference.c.presentation_state_uid)
        .where(note_reference.c.version == version, note_reference.c.presentation_state_uid != "")
        .distinct()
    )
    own = set(
        transaction.execute(
            select(live_instance.c.sop_instance_uid).where(
                live_instance.c.sop_instance_uid.in_(named),
                live_instance.c.sop_class_uid.in_(APPLIED),
                live_instance.c.received_from == Interface.KINOTE,
            )
        ).scalars()
    )
    needed = (
        select(note_reference.c.presentation_state_uid)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(key_object, key_object.c.version == note_version.c.id)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(
            note_reference.c.presentation_state_uid.in_(named),
            note_reference.c.version != version,
            note_version.c.is_current,
        )
    )
    others = set(transaction.execute(needed).scalars()) if own else set()
    return sorted(own - others - set(kept))


class _Making:
    """Makes the states of one request, without storing them."""

    def __init__(
        self,
        transaction: Connection,
        request: NoteRequest,
        known: Mapping[str, KnownInstance],
        now: datetime,
    ) -> None:
        self._request = request
        self._known = known
        self._now = now
        images = {each.sop_instance_uid for each in request.references if each.presentation}
        self._headers = _headers(transaction, images)
        studies = {known[uid].study_instance_uid for uid in self._headers if uid in known}
        self._studies = {
            row.study_instance_uid: row.attributes for row in studies_by_uid(transaction, studies)
        }
        self.made: list[_Made] = []
        self.problems: list[Problem] = []

    def named(self, position: int) -> RequestedReference:
        """Return a reference that names its state, if it asks for one."""
        reference = self._request.references[position]
        view = reference.presentation
        if view is None:
            return reference
        field = f"references[{position}].presentation"
        if reference.presentation_state_uid:
            text = "Give either a presentation or the UID of a presentation state, not both."
            self.problems.append(Problem(field, text))
            return reference
        place = self._known.get(reference.sop_instance_uid)
        header = self._headers.get(reference.sop_instance_uid)
        if place is None or header is None:
            return reference
        identity = self._identity(place)
        try:
            image = ImageHeader(header, reference.frames)
            wrong = list(problems_of(view, image.form))
            self.problems += [
                Problem(f"{field}.{part}" if part else field, message) for part, message in wrong
            ]
            if wrong:
                return reference
            dataset = state_dataset(
                identity,
                self._attributes(place),
                image,
                view,
                sop_instance_uid=reference.sop_instance_uid,
                frames=reference.frames,
            )
        except CannotBePresentedError as error:
            self.problems.append(Problem(field, str(error)))
            return reference
        self.made.append(_Made(place.study_instance_uid, identity.sop_instance_uid, dataset))
        return replace(reference, presentation=None, presentation_state_uid=identity.sop_instance_uid)

    def _identity(self, place: KnownInstance) -> Identity:
        author = self._request.author
        _, timezone = received_attributes(self._studies[place.study_instance_uid])
        return Identity(
            study_instance_uid=place.study_instance_uid,
            series_instance_uid=uids.new_uid(),
            sop_instance_uid=uids.new_uid(),
            series_number=_SERIES_NUMBER,
            description=titles.standard_meaning(self._request.title) or "Key image",
            made=content_moment(self._now, timezone),
            creator=printable(author.name) if author else "",
            manufacturer=MANUFACTURER,
        )

    def _attributes(self, place: KnownInstance) -> dict[str, str]:
        """Return the attributes of patient and study that the state repeats, by keyword."""
        copied, _ = received_attributes(self._studies[place.study_instance_uid])
        return {
            _COPIED[name]: value
            for name, value in copied
            if name in _COPIED and (value or name not in _OPTIONAL)
        }


def _headers(transaction: Connection, sop_instance_uids: Collection[str]) -> dict[str, bytes]:
    """Return the headers of live instances, by UID."""
    keys = {
        row.id: row.sop_instance_uid
        for row in transaction.execute(
            select(live_instance.c.id, live_instance.c.sop_instance_uid).where(
                live_instance.c.sop_instance_uid.in_(sop_instance_uids)
            )
        )
    }
    return {keys[key]: header for key, header in headers(transaction, list(keys)).items()}


def _store(transaction: Connection, made: Sequence[_Made], *, by: Actor, now: datetime) -> None:
    """Make the states live, with their bytes in the index."""
    studies = {
        row.study_instance_uid: row.id
        for row in studies_by_uid(transaction, {each.study_instance_uid for each in made})
    }
    placed = [
        (
            entry_of(
                scan(each.dataset, EXPLICIT_VR_LITTLE_ENDIAN),
                transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
                digest=digest_of(each.dataset),
                size=len(each.dataset),
                origin=Origin(Interface.KINOTE, by).columns(),
                now=now,
                bytes_in_index=True,
            ),
            Placed(standing="live", dataset=each.dataset),
        )
        for each in made
    ]
    inserted = insert_with_series(transaction, placed, studies)
    counts.add_series_of_one(transaction, Counter(row.study for row in inserted))
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.INSTANCE_STORED, each.study_instance_uid, each.sop_instance_uid)
            for each in made
        ],
        now=now,
    )
