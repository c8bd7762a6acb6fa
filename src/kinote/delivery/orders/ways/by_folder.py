"""A folder as a destination: a file for each object, durable before it counts as delivered."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from kinote.delivery.ledger import Record
from kinote.delivery.orders.ways.finders import NotQueryableError
from kinote.delivery.outgoing import Sendable, part10
from kinote.delivery.sending import Sent
from kinote.dimse import statuses
from kinote.holdings.unavailable import NotLiveError
from kinote.lifecycle.owed.receivers import State
from kinote.peers.peer import Endpoint

#: UIDs that can be used as file names. Others are represented by their digest.
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,63}")

_SUFFIX, _PARTIAL = ".dcm", ".partial"


class ByFolder:
    """Writes files `study/series/instance.dcm` under a temporary name, syncs and renames them.

    A missing root folder is not created: its volume may not be mounted.
    """

    way = "folder"

    def __init__(self, endpoint: Endpoint) -> None:
        self._root = Path(endpoint.path or "")

    def send(self, objects: Sequence[Sendable], record: Record) -> Generator[Sent, None, None]:
        is_there = self._root.is_dir()
        for wanted in objects:
            uid = wanted.sop_instance_uid
            if not is_there:
                said = f"The folder {self._root} is not there."
                yield Sent("failed", uid, said, statuses.PROCESSING_FAILURE, False)
                continue
            try:
                self._write(wanted)
            except NotLiveError as error:
                yield Sent("gone", uid, str(error))
                continue
            except OSError as error:
                record(uid, State.FAILED, str(error))
                yield Sent("failed", uid, str(error), statuses.PROCESSING_FAILURE)
                continue
            record(uid, State.GIVEN, "")
            yield Sent("completed", uid)

    def _write(self, wanted: Sendable) -> None:
        opened = wanted.open()
        folder = _folder(self._root, wanted.study_instance_uid, wanted.series_instance_uid)
        try:
            _make(self._root, folder)
            name = _name(wanted.sop_instance_uid)
            # A unique name: another delivery or server may write the same object.
            partial = folder / f"{name}.{uuid4().hex}{_PARTIAL}"
            try:
                with partial.open("xb") as file:
                    for chunk in part10(wanted, opened):
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                partial.rename(folder / f"{name}{_SUFFIX}")
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            _sync(folder)
        finally:
            opened.file.close()


class ByLooking:
    """Finds objects in a folder by their file names."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._root = Path(endpoint.path or "")

    def instances(self, study: str, series: str) -> Iterator[str]:
        if not self._root.is_dir():
            raise NotQueryableError(f"The folder {self._root} is not there.")
        folder = _folder(self._root, study, series)
        try:
            with os.scandir(folder) as found:
                yield from (each.name.removesuffix(_SUFFIX) for each in found if each.name.endswith(_SUFFIX))
        except FileNotFoundError:
            return


def _folder(root: Path, study: str, series: str) -> Path:
    return root / _name(study) / _name(series)


def _name(uid: str) -> str:
    return uid if _PLAIN.fullmatch(uid) else hashlib.sha256(uid.encode()).hexdigest()[:32]


def _make(root: Path, folder: Path) -> None:
    """Create a folder below the root, with its name and that of its parent durable."""
    if folder.is_dir():
        return
    for each in (folder.parent, folder):
        each.mkdir(exist_ok=True)
    _sync(root)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
