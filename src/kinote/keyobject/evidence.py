"""The Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1): where referenced instances lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kinote.dicom import tags, uids
from kinote.dicom.dataset import DataSet
from kinote.keyobject.content import ReadReference, read_sop_reference
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.model import InstanceReference, InvalidKeyObjectError


@dataclass(slots=True)
class Evidence:
    """The instances listed, in order; the first place of each counts."""

    references: tuple[ReadReference, ...] = ()
    broken: int = 0
    findings: list[Finding] = field(default_factory=list)
    _places: dict[str, ReadReference] = field(default_factory=dict)

    @property
    def instances(self) -> tuple[InstanceReference, ...]:
        """The instances that are named in full."""
        named = []
        for reference in self.references:
            try:
                named.append(
                    InstanceReference(
                        reference.study_instance_uid,
                        reference.series_instance_uid,
                        reference.sop_class_uid,
                        reference.sop_instance_uid,
                    )
                )
            except InvalidKeyObjectError:
                continue
        return tuple(named)

    def locate(self, reference: ReadReference) -> ReadReference:
        """A reference with the study and series the evidence has for it, and its class if it gives none."""
        place = self._places.get(reference.sop_instance_uid)
        if place is None:
            return reference
        return replace(
            reference,
            sop_class_uid=reference.sop_class_uid or place.sop_class_uid,
            study_instance_uid=place.study_instance_uid,
            series_instance_uid=place.series_instance_uid,
        )


def read_evidence(root: DataSet, sequence: int) -> Evidence:
    """Read one of the sequences that use the macro."""
    listed: dict[tuple[str, str, str], ReadReference] = {}
    evidence = Evidence()
    noted: dict[str, Finding] = {}
    place = f"({sequence >> 16:04X},{sequence & 0xFFFF:04X})"
    for study in root.items(sequence):
        study_uid = study.text(tags.STUDY_INSTANCE_UID) or ""
        if not study_uid:
            noted["REF_STUDY_MISSING"] = found("REF_STUDY_MISSING", place)
        for series in study.items(tags.REFERENCED_SERIES_SEQUENCE):
            series_uid = series.text(tags.SERIES_INSTANCE_UID) or ""
            for item in series.items(tags.REFERENCED_SOP_SEQUENCE):
                uid = item.text(tags.REFERENCED_SOP_INSTANCE_UID) or ""
                if not uids.is_tolerable(uid):
                    evidence.broken += 1
                    continue
                reference = read_sop_reference(item, uid)
                if reference.frames:
                    noted["FRAMES_IN_EVIDENCE"] = found("FRAMES_IN_EVIDENCE", place)
                located = replace(reference, study_instance_uid=study_uid, series_instance_uid=series_uid)
                if listed.setdefault((study_uid, series_uid, uid), located) is located:
                    first = evidence._places.setdefault(uid, located)
                    if first is not located:
                        noted["REF_SEVERAL_SERIES"] = found("REF_SEVERAL_SERIES", place)
    evidence.references = tuple(listed.values())
    evidence.findings = list(noted.values())
    return evidence
