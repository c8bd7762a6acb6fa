"""An object that has arrived completely: read, checked, and ready for a commit group."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from kinote.catalog.instances.entry import InstanceEntry
from kinote.intake.outcome import Outcome, refused
from kinote.intake.verdict import Verdict
from kinote.keyobject.reading import Reading
from kinote.storage.digests import digesting
from kinote.storage.store import Incoming

#: How many bytes are read at once.
_TOGETHER = 1024 * 1024


@dataclass(slots=True)
class Arrival:
    """Everything that the commit needs of a received object.

    Its bytes are either in `file`, which is durable before the commit, or in `dataset` for small non-image objects.
    Key objects have a `reading`.
    """

    entry: InstanceEntry
    dataset_offset: int = 0
    file: Incoming | None = None
    dataset: bytes | None = None
    reading: Reading | None = None
    #: What a comparison with the first copy under its UID has found, once there was one.
    verdict: Verdict | None = None
    #: How many comparisons it may still wait for. Without any, an object that is not the same data set is held.
    comparisons_left: int = 0
    #: Whether it is compared in the background, because too many arrivals wait for a comparison.
    is_compared_later: bool = False
    done: Future[Outcome] = field(default_factory=Future)

    def digest_in(self, algorithm: str) -> str:
        """Return the digest of the data set in an algorithm, computing it if necessary. Raises
        `UnknownAlgorithmError`."""
        if algorithm == self.entry.digest.algorithm:
            return self.entry.digest.root
        taken = digesting(algorithm)
        if self.file is None:
            taken.update(self.dataset or b"")
            return taken.finish().root
        at = self.dataset_offset
        while chunk := self.file.read_back(at, _TOGETHER):
            taken.update(chunk)
            at += len(chunk)
        return taken.finish().root

    def refusal(self, status: int, reason: str) -> Outcome:
        """Return the outcome of an object that cannot be kept. `status` is a DICOM failure status."""
        entry = self.entry
        refusal = refused(
            status, reason, sop_class_uid=entry.sop_class_uid, sop_instance_uid=entry.sop_instance_uid
        )
        row = entry.instance_row
        return replace(
            refusal, sender=(row["received_from"], row["brought_by_name"], row["brought_by_address"])
        )

    def outcome(self, kind: str, reason: str = "") -> Outcome:
        """Return an outcome with the identity and the findings of this object."""
        return Outcome(
            kind,  # type: ignore[arg-type]
            study_instance_uid=self.entry.study_instance_uid,
            series_instance_uid=self.entry.series_instance_uid,
            sop_class_uid=self.entry.sop_class_uid,
            sop_instance_uid=self.entry.sop_instance_uid,
            reason=reason,
            registration=self.reading.registration if self.reading else "",
            findings=tuple(finding.text for finding in self.reading.findings) if self.reading else (),
        )
