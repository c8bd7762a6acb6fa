"""A DICOM file set (PS3.10 section 8) as it is made: where its files lie, and its DICOMDIR (PS3.3 Annex F).

The objects are told one after the other; the DICOMDIR is written at the end, in one pass over the records.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.files.dicomdir import MEDIA_STORAGE_DIRECTORY
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dicom.values.uids import uid_from
from kinote.media.directory_records import Keys, NoRecordError, keys_of
from kinote.media.record_types import record_type_of, record_types

#: Name of the folder with the objects, and the letters that names of folders and files in it begin with (PS3.10 8.5:
#: at most 8 characters).
FOLDER = "DICOM"
_STUDY, _SERIES, _OBJECT = "ST", "SE", "OB"
_DIGITS = 6

#: The most objects in a file set: limited by the digits of their names, and their records are in memory.
MOST_OBJECTS = 200_000

#: Characters of a File-set ID at most (PS3.10 Table 8.1-1): on ISO 9660 it is the name of the volume, too.
LONGEST_ID = 16

_IN_USE = b"\x04\x00\x10\x14US\x02\x00\xff\xff"


class FileSetFullError(ValueError):
    """A file set takes no more objects."""


@dataclass(frozen=True, slots=True)
class Member:
    """An object of a file set: its identification, as the store has it, and its transfer syntax in the set."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A value of type 1 that a directory record has, and the object has not."""

    file: str
    record: str
    keyword: str
    value: str


@dataclass(slots=True)
class _Node:
    """A directory record, and those below it."""

    encoded: bytes
    children: list[_Node] = field(default_factory=list)


@dataclass(slots=True)
class _Series:
    folder: str
    node: _Node | None = None
    objects: int = 0


@dataclass(slots=True)
class _Study:
    folder: str
    node: _Node | None = None
    series: dict[str, _Series] = field(default_factory=dict)


class FileSet:
    """The records of a file set. `today` is the date that stands in for missing ones, as `YYYYMMDD`."""

    def __init__(self, file_set_id: str, today: str) -> None:
        self.file_set_id = file_set_id
        self._today = today
        self._root: list[_Node] = []
        self._studies: dict[str, _Study] = {}
        #: Records of patients by Patient ID and issuer; and the Patient IDs, which are unique in a set (F.5.1).
        self._patients: dict[tuple[str, str], _Node] = {}
        self._patient_ids: set[str] = set()
        self._objects = 0
        self.synthesized: list[Synthesized] = []
        #: SOP Instance UIDs of objects with records of type PRIVATE, which readers may ignore.
        self.private: list[str] = []
        #: Records that the last DICOMDIR was made of, each visited so often in all.
        self.steps = 0

    def __len__(self) -> int:
        return self._objects

    def place(self, study_instance_uid: str, series_instance_uid: str) -> tuple[str, ...]:
        """Return the File ID of the next object of a series. Raises `FileSetFullError`."""
        if self._objects >= MOST_OBJECTS:
            raise FileSetFullError(f"A file set has {MOST_OBJECTS} objects at most.")
        study = self._studies.get(study_instance_uid)
        if study is None:
            study = self._studies[study_instance_uid] = _Study(_name(_STUDY, len(self._studies) + 1))
        series = study.series.get(series_instance_uid)
        if series is None:
            series = study.series[series_instance_uid] = _Series(_name(_SERIES, len(study.series) + 1))
        series.objects += 1
        self._objects += 1
        return FOLDER, study.folder, series.folder, _name(_OBJECT, series.objects)

    def add(self, member: Member, file_id: tuple[str, ...], header: DataSet) -> None:
        """Take an object that lies at a File ID, which `place` has given."""
        series = self._series_of(member, file_id, header)
        assert series.node is not None
        series.node.children.append(self._leaf(member, file_id, header, series))

    def dicomdir(self) -> Iterator[bytes]:
        """Yield the DICOMDIR: each record once, with the offsets of the next one and of the first one below it."""
        records, offsets = self._in_order()
        # Two sets with the same name and other contents are two objects.
        content = hashlib.sha256()
        for record in records:
            content.update(record.encoded)
        uid = uid_from("file set", self.file_set_id, self._today, content.hexdigest())
        beginning = file_meta_bytes(MEDIA_STORAGE_DIRECTORY, uid, EXPLICIT_VR_LITTLE_ENDIAN)
        file_set_id = _element(0x00041130, b"CS", self.file_set_id.encode("ascii"))
        # Before the first item follow two offsets, the consistency flag, and the head of the sequence.
        first = len(beginning) + len(file_set_id) + 12 + 12 + 10 + 12
        self.steps = len(records)
        at = first
        places: list[int] = []
        for record in records:
            places.append(at)
            at += _RECORD_HEAD + len(record.encoded)
        has_any = bool(self._root)
        last = offsets[-1][2] if has_any else 0
        yield beginning + file_set_id
        yield _offset(0x00041200, first if has_any else 0) + _offset(
            0x00041202, places[last] if has_any else 0
        )
        yield b"\x04\x00\x12\x12US\x02\x00\x00\x00"
        yield b"\x04\x00\x20\x12SQ\x00\x00" + struct.pack("<I", at - first)
        for record, (following, below, _) in zip(records, offsets, strict=True):
            yield struct.pack("<HHI", 0xFFFE, 0xE000, _RECORD_HEAD - 8 + len(record.encoded))
            yield _offset(0x00041400, places[following] if following else 0)
            yield _IN_USE
            yield _offset(0x00041420, places[below] if below else 0)
            yield record.encoded

    def _in_order(self) -> tuple[list[_Node], list[tuple[int, int, int]]]:
        """Return the records, each before those below it; and for each three numbers.

        They are those of the next record beside it, of the first one below it (0: none), and of the last one of the
        root.
        """
        records: list[_Node] = []
        following: list[int] = []
        last_of_root = 0
        # What is still to be visited: a record, and the number of the one before it on its level.
        waiting: list[tuple[list[_Node], int, int]] = [(self._root, 0, -1)]
        while waiting:
            nodes, position, before = waiting.pop()
            if position == len(nodes):
                continue
            number = len(records)
            records.append(nodes[position])
            following.append(0)
            if before >= 0:
                following[before] = number
            if nodes is self._root:
                last_of_root = number
            waiting.append((nodes, position + 1, number))
            if nodes[position].children:
                waiting.append((nodes[position].children, 0, -1))
        return records, [
            (following[number], number + 1 if record.children else 0, last_of_root)
            for number, record in enumerate(records)
        ]

    def _series_of(self, member: Member, file_id: tuple[str, ...], header: DataSet) -> _Series:
        study = self._studies[member.study_instance_uid]
        path = "/".join(file_id)
        if study.node is None:
            study.node = _Node(
                self._record(
                    *("STUDY", path, header),
                    {"StudyInstanceUID": member.study_instance_uid},
                    {"StudyID": study.folder},
                )
            )
            self._patient(path, header).children.append(study.node)
        series = study.series[member.series_instance_uid]
        if series.node is None:
            series.node = _Node(
                self._record(
                    *("SERIES", path, header),
                    {"SeriesInstanceUID": member.series_instance_uid},
                    {"SeriesNumber": str(int(series.folder[len(_SERIES) :]))},
                )
            )
            study.node.children.append(series.node)
        return series

    def _patient(self, path: str, header: DataSet) -> _Node:
        patient_id = (header.text(tags.PATIENT_ID) or "").strip()
        issuer = (header.text(tags.ISSUER_OF_PATIENT_ID) or "").strip()
        # Who has no ID shares nothing with others that have none.
        key = (patient_id, issuer) if patient_id else ("", path)
        node = self._patients.get(key)
        if node is None:
            given = {}
            if patient_id in self._patient_ids:
                # The same ID of another issuer is another patient.
                given["PatientID"] = self._unused_id()
                self.synthesized.append(Synthesized(path, "PATIENT", "PatientID", given["PatientID"]))
            ordinal = given.get("PatientID") or self._unused_id()
            node = _Node(self._record("PATIENT", path, header, given, {"PatientID": ordinal}))
            self._patient_ids.add(patient_id or ordinal)
            self._patient_ids |= set(given.values())
            self._patients[key] = node
            self._root.append(node)
        return node

    def _unused_id(self) -> str:
        number = len(self._patients) + 1
        while (unused := f"NO-ID-{number}") in self._patient_ids:
            number += 1
        return unused

    def _leaf(self, member: Member, file_id: tuple[str, ...], header: DataSet, series: _Series) -> _Node:
        path = "/".join(file_id)
        name = record_type_of(member.sop_class_uid, has_pixels=lambda: tags.ROWS in header)
        ordinal = {"InstanceNumber": str(int(file_id[-1][len(_OBJECT) :]))}
        # Their own clause says that the record is told by the modality (F.5.40).
        reference = (
            _element(0x00041500, b"CS", "\\".join(file_id).encode("ascii"))
            + _element(0x00041510, b"UI", member.sop_class_uid.encode("ascii"))
            + _element(0x00041511, b"UI", member.sop_instance_uid.encode("ascii"))
            + _element(0x00041512, b"UI", member.transfer_syntax_uid.encode("ascii"))
        )
        try:
            return _Node(self._record(name, path, header, {}, ordinal, reference))
        except NoRecordError:
            return _Node(self._record("PRIVATE", path, header, {}, ordinal, reference))

    def _record(
        self,
        name: str,
        path: str,
        header: DataSet,
        given: dict[str, str],
        ordinals: dict[str, str],
        reference: bytes = b"",
    ) -> bytes:
        """Return a record without its first three elements. Raises `NoRecordError`."""

        def ordinal(keyword: str) -> str:
            try:
                return ordinals[keyword]
            except KeyError:
                raise NoRecordError(keyword) from None

        keys: Keys = keys_of(record_types()[name], header, given, self._today, ordinal)
        self.synthesized += [Synthesized(path, name, keyword, value) for keyword, value in keys.synthesized]
        private = b""
        if name == "PRIVATE":
            # F.6.1: a record of this type says by a UID what it means.
            private = _element(0x00041432, b"UI", uid_from("private record").encode("ascii"))
            self.private.append(path)
        return _element(0x00041430, b"CS", name.encode("ascii")) + private + reference + keys.encoded


#: Bytes of a record before its type: the head of the item, two offsets and the flag.
_RECORD_HEAD = 8 + 12 + 10 + 12


def _name(letters: str, number: int) -> str:
    return f"{letters}{number:0{_DIGITS}}"


def _offset(tag: int, value: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"UL", 4, value)


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    if len(value) & 1:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
