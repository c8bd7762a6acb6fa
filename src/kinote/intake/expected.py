"""What a sender announces about an object, and whether the object matches it."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.catalog.instances.entry import InstanceEntry
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.security.actors import Actor, ActorKind


class NotExpectedError(ValueError):
    """The object is not the one that the sender announced."""

    def __init__(self, what: str, found: str, expected: str, entry: InstanceEntry) -> None:
        super().__init__(f"The object's {what} is {found}, not {expected} as announced.")
        self.entry = entry


@dataclass(frozen=True, slots=True)
class InStudy:
    """Expects a DICOM file, of this study and with this SOP Instance UID if they are named (PS3.18 10.5.1.1)."""

    study_instance_uid: str | None = None
    sop_instance_uid: str | None = None

    def check(self, entry: InstanceEntry) -> None:
        """Raise `NotExpectedError` for another object, or one of another study."""
        for what, found, wanted in (
            ("Study Instance UID", entry.study_instance_uid, self.study_instance_uid),
            ("SOP Instance UID", entry.sop_instance_uid, self.sop_instance_uid),
        ):
            if wanted is not None and found != wanted:
                raise NotExpectedError(what, found, wanted, entry)


@dataclass(frozen=True, slots=True)
class BareDataSet:
    """Expects a data set without file meta information, as associations transfer it (PS3.7 9.1.1.1).

    It is one of this study, if one is named.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str | None = None

    def file_meta(self, sender: Actor) -> bytes:
        """Return preamble and file meta information for the stored file (PS3.10 7.1).

        It says from whom it came: if the index is lost, nothing else does.
        """
        name = sender.name
        is_title = sender.kind is ActorKind.PEER and name.isascii() and name.isprintable() and len(name) <= 16
        return file_meta_bytes(
            self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid, name if is_title else None
        )

    def check(self, entry: InstanceEntry) -> None:
        """Raise `NotExpectedError` for another object."""
        for what, found, wanted in (
            ("SOP Class UID", entry.sop_class_uid, self.sop_class_uid),
            ("SOP Instance UID", entry.sop_instance_uid, self.sop_instance_uid),
            ("Study Instance UID", entry.study_instance_uid, self.study_instance_uid),
        ):
            if wanted is not None and found != wanted:
                raise NotExpectedError(what, found, wanted, entry)


Expected = InStudy | BareDataSet
