"""What the content of a migrated note still lacks for its key objects, and what the index adds to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kinote.catalog.columns.patient_identity import are_different
from kinote.dicom.dictionary import sop_classes
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.known_instances import KnownInstance
from kinote.notes.patients import PatientIdentity


@dataclass(frozen=True, slots=True)
class Completed:
    """The content of a note with what the index knows of its images.

    Something `lacks` while study, series or class of an image are known to nobody, or a presentation state is not
    here. It is `refused`, with a sentence, if no document can be made of it although everything is here.
    """

    content: NoteContent
    lacks: bool
    refused: str = ""


def completed(
    content: NoteContent,
    known: Mapping[str, KnownInstance],
    patient: tuple[str, str],
    places: Mapping[str, PatientIdentity],
) -> Completed:
    """Complete a note about a patient (Patient ID and issuer, empty if nobody said).

    `known` has those of its instances and presentation states that are here, `places` the patients of studies that
    are here. What is here takes precedence over what the source of the note says.
    """
    references = []
    lacks = False
    refused = ""
    for reference in content.references:
        image = known.get(reference.sop_instance_uid)
        found = reference if image is None else _in_its_place(reference, image)
        lacks |= not (found.study_instance_uid and found.series_instance_uid and found.sop_class_uid)
        uid = found.presentation_state_uid
        state = known.get(uid)
        if uid and state is None:
            lacks = True
        elif state is not None and not sop_classes.is_presentation_state(state.sop_class_uid):
            refused = refused or f"{uid} is no presentation state."
        references.append(_without_needless_frames(found))
    # Two that the source distinguishes may be the same: frame 1 of an image of a single frame, and the image.
    whole = replace(content, references=tuple(dict.fromkeys(references)))
    studies = [reference.study_instance_uid for reference in whole.references]
    refused = refused or of_another_patient(whole, known, patient, places, studies)
    return Completed(whole, lacks, refused)


def _in_its_place(reference: ContentReference, image: KnownInstance) -> ContentReference:
    return replace(
        reference,
        study_instance_uid=image.study_instance_uid,
        series_instance_uid=image.series_instance_uid,
        sop_class_uid=image.sop_class_uid,
    )


def _without_needless_frames(reference: ContentReference) -> ContentReference:
    """Leave out frame 1 of an image of a single frame, which many systems write for every image."""
    is_single = reference.sop_class_uid and not sop_classes.is_multiframe_capable(reference.sop_class_uid)
    return replace(reference, frames=()) if reference.frames == (1,) and is_single else reference


def of_another_patient(
    content: NoteContent,
    known: Mapping[str, KnownInstance],
    patient: tuple[str, str],
    places: Mapping[str, PatientIdentity],
    studies: Iterable[str],
) -> str:
    """Return why a note about a patient must not have key objects in these studies; empty if it may.

    The note, its images that are here and the studies that are here belong to one patient.
    """
    # An image without a Patient ID differs from nobody's, so that each patient is compared with all others.
    whose: dict[PatientIdentity, str] = {}
    for reference in content.references:
        image = known.get(reference.sop_instance_uid)
        if image is not None:
            whose.setdefault(image.patient, f"Image {image.sop_instance_uid}")
    for uid in studies:
        if uid in places:
            whose.setdefault(places[uid], f"Study {uid}")
    for each, what in whose.items():
        if are_different(patient, (each.patient_id, each.issuer)):
            return f"{what} belongs to another patient than the note."
        for other, first in whose.items():
            if each.differs_from(other):
                return f"{first} and {what[0].lower()}{what[1:]} belong to different patients."
    return ""
