"""Makes the files of file sets one after another, as they are requested: objects, pages, DICOMDIR, digests.

Only the records of the objects are kept. If a set would exceed its size, another one begins: each file set is complete
(PS3.11 D.2.1.1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime

from kinote.decoding.errors import DecodingUnavailableError
from kinote.delivery.ledger import Record
from kinote.delivery.media_sets.pages import Pages, readme
from kinote.delivery.media_sets.selection import Missing, Selected
from kinote.delivery.outgoing import TranscodingError, data_set, outgoing
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import DataSet as Header
from kinote.dicom.elements.dataset import scan
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import FileScanner, file_meta_bytes
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import NotLiveError
from kinote.lifecycle.owed.receivers import State
from kinote.media.containers import File
from kinote.media.file_set import LONGEST_ID, FileSet, Member
from kinote.media.profiles import Profile
from kinote.media.reading_back import DIGESTS
from kinote.security.actors import Actor

_CHUNK = 256 * 1024

#: An allowance in bytes for the directory record and page text of an object.
_BESIDE = 4096


#: The last member, for programs: the outcome for every object.
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class SetOptions:
    """How file sets are made: their profile, the size limit in bytes (0: none), and the receiver."""

    profile: Profile
    file_set_id: str
    now: datetime
    size_limit: int = 0
    recipient: str = ""
    reason: str = ""


@dataclass(slots=True)
class Report:
    """The outcome of an export: how many sets and objects, and what is missing."""

    sets: int = 0
    objects: int = 0
    left_out: list[Missing] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    #: Values that directory records have and the objects lack: file, keyword, value.
    synthesized: list[tuple[str, str, str]] = field(default_factory=list)
    #: Files with a record of type PRIVATE.
    private: list[str] = field(default_factory=list)


def file_sets(
    door: Door, selected: Selected, options: SetOptions, pages: Pages, by: Actor, record: Record
) -> Iterator[File]:
    """Yield the files of the sets. `record` is told the outcome of each object for the receiver. `by` is the actor.

    An object is left out if it is withdrawn meanwhile, or unavailable in the transfer syntaxes of the profile. Pages
    and report say so.
    """
    report = Report(missing=list(selected.missing))
    waiting = list(selected.objects)
    written: list[LiveObject] = []
    position = 0
    while position < len(waiting) or not report.sets:
        report.sets += 1
        one = _OneSet(options, report, pages)
        while position < len(waiting):
            wanted = waiting[position]
            if one.is_full_for(wanted):
                break
            position += 1
            file = one.object_file(door, wanted, by, record)
            if file is not None:
                yield file
                written.append(wanted)
        yield from one.closing_files()
    for each in written:
        record(each.sop_instance_uid, State.GIVEN, "written to media")
    body = json.dumps(asdict(report), ensure_ascii=False).encode()
    yield File(REPORT, len(body), iter((body,)))


class _OneSet:
    """A file set that is being made."""

    def __init__(self, options: SetOptions, report: Report, pages: Pages) -> None:
        self._pages = pages
        self._options = options
        self._report = report
        number = report.sets
        # If there is no limit, the only set lies at the root. Otherwise each has a folder.
        self._prefix = f"SET{number}/" if options.size_limit else ""
        suffix = f"_{number}" if options.size_limit else ""
        name = options.file_set_id[: LONGEST_ID - len(suffix)] + suffix
        self._set = FileSet(name, options.now.strftime("%Y%m%d"))
        self._size = 0
        self._digests: list[tuple[str, str]] = []
        self._objects: list[LiveObject] = []

    def is_full_for(self, wanted: LiveObject) -> bool:
        """Return whether another object would make the set too large. The first one always fits."""
        limit = self._options.size_limit
        return bool(
            limit and self._objects and self._size + _size_here(wanted) + self._beside(wanted) > limit
        )

    def object_file(self, door: Door, wanted: LiveObject, by: Actor, record: Record) -> File | None:
        """Return an object as a file of the set; None if it is left out."""
        uid = wanted.sop_instance_uid
        syntax = self._options.profile.syntax_for(wanted.transfer_syntax_uid)
        try:
            made = data_set(wanted, outgoing(door, wanted, by), syntax)
        except NotLiveError:
            self._leave_out(uid, "withdrawn from use meanwhile")
            return None
        except (TranscodingError, DecodingUnavailableError, OSError) as error:
            self._leave_out(uid, str(error))
            return None
        file_id = self._set.place(wanted.study_instance_uid, wanted.series_instance_uid)
        meta = file_meta_bytes(wanted.sop_class_uid, uid, syntax)
        size = len(meta) + made.size
        self._size += size + self._beside(wanted)
        self._objects.append(wanted)
        self._report.objects += 1
        # The receiver may have it from here on, even if the set is never completed.
        record(uid, State.UNKNOWN, "being written to media")
        member = Member(
            *(wanted.study_instance_uid, wanted.series_instance_uid, wanted.sop_class_uid, uid, syntax)
        )
        path = "/".join(file_id)

        def described(header: Header) -> None:
            self._set.add(member, file_id, header)

        return File(self._prefix + path, size, self._read_on_the_way(path, meta, made, syntax, described))

    def _beside(self, wanted: LiveObject) -> int:
        return _BESIDE + self._pages.size_of_pictures(wanted.sop_instance_uid)

    def _leave_out(self, uid: str, reason: str) -> None:
        self._report.left_out.append(Missing(uid, reason))

    def _read_on_the_way(
        self, path: str, meta: bytes, made: DataSet, syntax: str, described: Callable[[Header], None]
    ) -> Iterator[bytes]:
        """Yield the bytes of an object, and read them meanwhile to make its directory record."""
        digest = hashlib.sha256(meta)
        scanner = FileScanner(transfer_syntax_uid=syntax)
        header: Header | None = None
        is_read = True
        with made.file as file:
            yield meta
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if is_read:
                    try:
                        scanner.feed(chunk)
                    except DicomError:
                        is_read = False
                yield chunk
        if is_read:
            try:
                header = scanner.finish().dataset
            except DicomError:
                header = None
        # An unreadable object is included unchanged (law 7). Its record says what is known.
        described(scan(b"", EXPLICIT_VR_LITTLE_ENDIAN) if header is None else header)
        self._digests.append((digest.hexdigest(), path))

    def closing_files(self) -> Iterator[File]:
        """Yield the files after the objects: pages, README.TXT, DICOMDIR, and finally the digests."""
        report = self._report
        report.synthesized += [(each.file, each.keyword, each.value) for each in self._set.synthesized]
        report.private += self._set.private
        absent = [*report.left_out, *report.missing]
        for path, content in self._pages.of_set(self._objects, absent, self._set.file_set_id):
            yield self._file(path, content)
        yield self._file("README.TXT", readme(self._options.profile.name, len(self._set), absent))
        yield self._file("DICOMDIR", b"".join(self._set.dicomdir()))
        lines = "".join(f"{digest}  {path}\n" for digest, path in self._digests).encode("ascii")
        yield File(self._prefix + DIGESTS, len(lines), iter((lines,)))

    def _file(self, path: str, content: bytes) -> File:
        self._digests.append((hashlib.sha256(content).hexdigest(), path))
        return File(self._prefix + path, len(content), iter((content,)))


def _size_here(wanted: LiveObject) -> int:
    """Estimate the size of an object in a set, in bytes: as stored, or with native pixels."""
    native = (wanted.frames or 1) * (wanted.pixel_rows or 0) * (wanted.pixel_columns or 0) * 3
    return max(wanted.size, native)
