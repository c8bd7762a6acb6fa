"""Checks file meta information on arrival. It is not stored with the data set, so it cannot be checked later.

An association transfers no file meta information; stored objects have file meta information written by Kinote.
"""

from __future__ import annotations

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.findings import Findings
from kinote.keyobject.reading import Reading, with_findings

_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003

#: Findings that cannot be made again from the stored data set.
OF_THE_ENVELOPE = frozenset({"FILE_META_MISSING", "FILE_META_MISMATCH", "TRANSFER_SYNTAX"})


def check_file_meta(meta: DataSet | None, dataset: DataSet | None, findings: Findings) -> None:
    """Check that a file has file meta information (PS3.10 7.1), and that it matches the data set."""
    if meta is None:
        findings.add("FILE_META_MISSING")
        return
    for in_meta, in_dataset, name in (
        (_MEDIA_STORAGE_SOP_CLASS_UID, tags.SOP_CLASS_UID, "SOP class"),
        (_MEDIA_STORAGE_SOP_INSTANCE_UID, tags.SOP_INSTANCE_UID, "SOP Instance UID"),
    ):
        if dataset is not None and meta.text(in_meta) != dataset.text(in_dataset):
            findings.add("FILE_META_MISMATCH", "file meta information", name)


def with_file_meta(reading: Reading, meta: DataSet | None, dataset: DataSet) -> Reading:
    """Add findings about a file's meta information to the reading of its data set."""
    findings = Findings()
    check_file_meta(meta, dataset, findings)
    return with_findings(reading, findings.as_tuple())
