"""Reads the hierarchical references of a key object: evidence and identical documents (PS3.3 C.17.2.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.values import uids
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.coded import plain, read_numbers, read_plain, read_uid
from kinote.keyobject.readers.item_cache import ItemCache
from kinote.keyobject.reading import BrokenReference, FoundInstance

#: The place of the evidence in findings.
EVIDENCE = "CurrentRequestedProcedureEvidenceSequence"

#: The SOP class of instances that have no other attributes.
_INSTANCES: ItemCache[str] = ItemCache()


@dataclass(slots=True)
class Evidence:
    """The instances that the evidence lists, in order, and its peculiarities."""

    instances: dict[str, FoundInstance] = field(default_factory=dict)
    #: Instances without a finding, by the bytes of their UID.
    by_value: dict[bytes, FoundInstance] = field(default_factory=dict)
    #: Frame numbers, which do not belong into the evidence but which some viewers write there.
    frames: dict[str, tuple[int, ...]] = field(default_factory=dict)
    broken: list[BrokenReference] = field(default_factory=list)


def read_evidence(root: DataSet, own_study_uid: str, findings: Findings) -> Evidence:
    """Read the Current Requested Procedure Evidence Sequence; empty if it is absent."""
    return _Reader(findings, own_study_uid).read(
        root.items(tags.CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE), EVIDENCE
    )


def read_identical_documents(root: DataSet, own_uid: str, findings: Findings) -> tuple[FoundInstance, ...]:
    """Read the Identical Documents Sequence: the copies of this document in other studies."""
    if tags.IDENTICAL_DOCUMENTS_SEQUENCE not in root:
        return ()
    place = "IdenticalDocumentsSequence"
    copies = _Reader(findings, "").read(root.items(tags.IDENTICAL_DOCUMENTS_SEQUENCE), place)
    if own_uid in copies.instances:
        findings.add("IDENTICAL_LISTS_SELF", place)
        del copies.instances[own_uid]
    return tuple(
        copy for copy in copies.instances.values() if copy.sop_class_uid in ("", KEY_OBJECT_SELECTION)
    )


class _Reader:
    """Reads the items of studies, series and instances."""

    def __init__(self, findings: Findings, own_study_uid: str) -> None:
        self._findings = findings
        self._own_study_uid = own_study_uid
        self._evidence = Evidence()
        self._series: set[tuple[str, str]] = set()

    def read(self, studies: tuple[DataSet, ...], place: str) -> Evidence:
        named = [read_plain(study, tags.STUDY_INSTANCE_UID) for study in studies]
        for number, (study, study_uid) in enumerate(zip(studies, named, strict=True), 1):
            study_place = f"{place}[{number}]"
            if not uids.is_tolerable(study_uid):
                self._findings.add("REF_STUDY_MISSING", study_place)
                # It is the only other study, or else the document's own.
                others = {*named} - {""}
                study_uid = others.pop() if len(others) == 1 else self._own_study_uid
            if tags.RETRIEVE_URL in study:
                self._findings.add("RETRIEVAL_DETAILS", study_place, "Retrieve URL")
            for nth, series in enumerate(study.items(tags.REFERENCED_SERIES_SEQUENCE), 1):
                self._read_series(series, study_uid, f"{study_place}.ReferencedSeriesSequence[{nth}]")
        return self._evidence

    def _read_series(self, series: DataSet, study_uid: str, place: str) -> None:
        series_uid = read_plain(series, tags.SERIES_INSTANCE_UID)
        if not uids.is_tolerable(series_uid):
            self._findings.add("REF_STUDY_MISSING", place)
            series_uid = ""
        if (study_uid, series_uid) in self._series:
            self._findings.add("EVIDENCE_SPLIT", place)
        self._series.add((study_uid, series_uid))
        if tags.RETRIEVE_URL in series:
            self._findings.add("RETRIEVAL_DETAILS", place, "Retrieve URL")
        items = series.sequence(tags.REFERENCED_SOP_SEQUENCE)
        instances, by_value = self._evidence.instances, self._evidence.by_value
        for run in _INSTANCES.runs(items):
            class_uid = run.value
            if class_uid is None:
                self._read_instance(items.at(run.place(0)), study_uid, series_uid, place, run.first + 1)
                continue
            for nth, value in enumerate(run.uids):
                uid = plain(value)
                if uids.is_valid(uid) and uid not in instances:
                    found = FoundInstance(study_uid, series_uid, class_uid, uid)
                    instances[uid] = by_value[value] = found
                    continue
                item = items.at(run.place(nth))
                self._read_instance(item, study_uid, series_uid, place, run.first + nth + 1)

    def _read_instance(self, item: DataSet, study_uid: str, series_uid: str, place: str, number: int) -> None:
        uid = read_uid(item, tags.REFERENCED_SOP_INSTANCE_UID)
        if not uids.is_valid(uid):
            place = f"{place}.ReferencedSOPSequence[{number}]"
            if not uids.is_tolerable(uid):
                self._evidence.broken.append(BrokenReference(place, uid))
                self._findings.add("REF_BROKEN", place, repr(uid[:80]))
                return
            self._findings.add("REF_UID_MALFORMED", place, uid)
        known = self._evidence.instances.get(uid)
        if known is not None:
            if (known.study_instance_uid, known.series_instance_uid) != (study_uid, series_uid):
                self._findings.add("REF_SEVERAL_SERIES", place, uid)
            return
        class_uid = read_plain(item, tags.REFERENCED_SOP_CLASS_UID)
        if not uids.is_tolerable(class_uid):
            self._findings.add("REF_CLASS_MISSING", place, uid)
            class_uid = ""
        self._evidence.instances[uid] = FoundInstance(study_uid, series_uid, class_uid, uid)
        if len(item) == 2 and class_uid:
            uid_value = item.raw(tags.REFERENCED_SOP_INSTANCE_UID)
            _INSTANCES.learn(item.sent_whole, item.encoding, uid_value, class_uid)
        elif len(item) > 2:
            self._read_surplus(item, uid, f"{place}.ReferencedSOPSequence[{number}]")

    def _read_surplus(self, item: DataSet, uid: str, place: str) -> None:
        """Read what senders add to instances in the evidence."""
        if tags.REFERENCED_FRAME_NUMBER in item:
            frames = read_numbers(item, tags.REFERENCED_FRAME_NUMBER, place, self._findings)
            if frames:
                self._evidence.frames[uid] = frames
                self._findings.add("FRAMES_IN_EVIDENCE", place)
        for tag, name in (
            (tags.RETRIEVE_AE_TITLE, "Retrieve AE Title"),
            (tags.INSTANCE_AVAILABILITY, "Instance Availability"),
            (tags.RETRIEVE_URL, "Retrieve URL"),
        ):
            if tag in item:
                self._findings.add("RETRIEVAL_DETAILS", place, name)
