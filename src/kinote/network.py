"""What the commands `echo`, `find` and `send` do: calling other application entities."""

from __future__ import annotations

import io
import queue
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pydicom
from pydicom.dataset import Dataset

from kinote.delivery.files import UnsendableFileError, sendable_file
from kinote.delivery.outgoing import Sendable
from kinote.delivery.sending import ProposedStorage, Sender, Sent, grouped
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import RefusedError
from kinote.dimse.information_models import PATIENT_ROOT, STUDY_ROOT
from kinote.dimse.requestor import Proposal, association
from kinote.dimse.tls import TlsOptions
from kinote.dimse.user_information import ExtendedNegotiation
from kinote.media.sources import Refusal, Source
from kinote.scp.options import ScpOptions

#: `TITLE@host:port`, an IPv6 address in brackets.
_ADDRESS = re.compile(r"(?P<title>[^@]+)@(\[(?P<address>[^\]]+)\]|(?P<host>[^:]+)):(?P<port>[0-9]{1,5})")

#: Relational queries, combined dates and times, fuzzy names, time zones (PS3.4 C.5.1.1), as far as the peer has them.
_ALL_OPTIONS = b"\1\1\1\1"

#: Files that are looked into before their association is opened.
_TOGETHER = 2000


class PeerError(ValueError):
    """An application entity that cannot be called, or a question it cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom."""

    peer: ApplicationEntity
    title: str
    tls: TlsOptions


def caller(options: ScpOptions, peer: str, *, tls: bool) -> Caller:
    """Whom `peer` means: a known entity by its title, or `TITLE@host:port`. Raises `PeerError`."""
    known = options.entities.get(peer)
    if known is not None:
        entity = known.entity
    else:
        found = _ADDRESS.fullmatch(peer)
        if found is None:
            names = ", ".join(options.entities) or "none"
            raise PeerError(
                f"{peer!r} is neither one of the entities in the settings ({names}) nor TITLE@host:port."
            )
        try:
            entity = ApplicationEntity(
                found["title"], found["address"] or found["host"], int(found["port"]), tls=tls
            )
        except ValueError as error:
            raise PeerError(f"{error}.") from error
    return Caller(entity, options.titles[0], options.tls)


def echo(call: Caller) -> int:
    """C-ECHO; the status. Raises `DimseError`."""
    proposal = Proposal([(invoking.VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))])
    with association(call.peer, call.title, proposal, tls=call.tls) as opened:
        return invoking.echo(opened).status


# --- queries --------------------------------------------------------------------------------------


def identifier(level: str, keys: Sequence[str]) -> Dataset:
    """The identifier of a query: `Keyword=value` for what is to match, `Keyword` for what is to be told.

    What lies in a sequence is named with points, `ConceptNameCodeSequence.CodeValue=113000`. Raises
    `PeerError` for what is no attribute.
    """
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    if any(not key.isascii() for key in keys):
        asked.SpecificCharacterSet = "ISO_IR 192"
    for key in keys:
        path, _, value = key.partition("=")
        *sequences, keyword = path.split(".")
        dataset = asked
        try:
            for sequence in sequences:
                if sequence not in dataset:
                    setattr(dataset, sequence, [Dataset()])
                dataset = getattr(dataset, sequence)[0]
            # What a value may be, the peer says: patterns and ranges are no valid values as such.
            element = pydicom.DataElement(
                keyword, pydicom.datadict.dictionary_VR(keyword), None, validation_mode=pydicom.config.IGNORE
            )
            if element.VR == "SQ":
                element.value = [Dataset()]
            elif value:
                element.value = value.split("\\") if "\\" in value else value
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PeerError(f"{key!r} asks for nothing that is known: {error}") from error
        dataset.add(element)
    return asked


def find(call: Caller, asked: Dataset) -> Iterator[Dataset]:
    """C-FIND; the matches. Raises `DimseError`."""
    model = PATIENT_ROOT if asked.QueryRetrieveLevel == "PATIENT" else STUDY_ROOT
    proposal = Proposal(
        [(model.find, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))],
        extended=(ExtendedNegotiation(model.find, _ALL_OPTIONS),),
    )
    with association(call.peer, call.title, proposal, tls=call.tls) as opened:
        context = opened.context_for(model.find)
        if context is None:
            raise invoking.NotAcceptedError(model.find)
        implicit = context.transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
        for answer, found in invoking.find(opened, model.find, _encoded(asked, implicit=implicit)):
            if statuses.is_pending(answer.status):
                yield _decoded(found, implicit=implicit)
            elif not statuses.is_done(answer.status):
                said = f": {answer.error_comment}" if answer.error_comment else ""
                raise RefusedError(f"{call.peer} answers with status {answer.status:04X}H{said}")


def value_at(match: Dataset, name: str) -> str:
    """What a match says of an attribute that was asked for, as people read it; of a sequence its first item."""
    *sequences, keyword = name.split(".")
    dataset = match
    for sequence in sequences:
        items = dataset.get(sequence)
        if not items:
            return ""
        dataset = items[0]
    element = dataset.get(keyword)
    if element is None:
        return ""
    return f"{len(element)} items" if isinstance(element, pydicom.Sequence) else str(element)


def _encoded(dataset: Dataset, *, implicit: bool) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def _decoded(data: bytes, *, implicit: bool) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), is_implicit_VR=implicit, is_little_endian=True)


# --- sending --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentObject:
    """What became of a file or of an object; `sent` is None where there was nothing that could be sent."""

    name: str
    sent: Sent | None
    reason: str


def send(call: Caller, files: Iterable[Source | Refusal], associations: int = 1) -> Iterator[SentObject]:
    """C-STORE of files, on so many associations at once; what became of each, as it comes about.

    An association that does not come about, or ends early, is a failure of the files that were to go over it.
    """
    remaining = iter(files)
    while looked_into := list(islice(remaining, _TOGETHER)):
        names: dict[int, str] = {}
        found: list[Sendable] = []
        for file in looked_into:
            reason = file.reason if isinstance(file, Refusal) else ""
            if isinstance(file, Source):
                try:
                    found.append(sendable_file(file.open))
                    names[id(found[-1])] = file.name
                except UnsendableFileError as error:
                    reason = str(error)
            if reason:
                yield SentObject(file.name, None, reason)
        for wanted, sent in _send(call, found, associations):
            yield SentObject(names[id(wanted)], sent, sent.reason)


def send_objects(call: Caller, objects: Sequence[Sendable], associations: int = 1) -> Iterator[SentObject]:
    """The same of objects, each by its SOP Instance UID."""
    for wanted, sent in _send(call, objects, associations):
        yield SentObject(wanted.sop_instance_uid, sent, sent.reason)


def _send(call: Caller, objects: Sequence[Sendable], associations: int) -> Iterator[tuple[Sendable, Sent]]:
    for contexts, group in grouped(objects):
        yield from _send_group(call, contexts, group, associations)


def _send_group(
    call: Caller, contexts: Sequence[ProposedStorage], group: Sequence[Sendable], associations: int
) -> Iterator[tuple[Sendable, Sent]]:
    """Send objects that share their presentation contexts, each association taking the next that waits."""
    waiting = deque(group)
    results: queue.SimpleQueue[tuple[Sendable, Sent]] = queue.SimpleQueue()
    threads = [
        threading.Thread(target=_send_waiting, args=(call, contexts, waiting, results.put), daemon=True)
        for _ in range(min(associations, len(group)))
    ]
    for thread in threads:
        thread.start()
    for _ in group:
        yield results.get()
    for thread in threads:
        thread.join()


def _send_waiting(
    call: Caller,
    contexts: Sequence[ProposedStorage],
    waiting: deque[Sendable],
    tell: Callable[[tuple[Sendable, Sent]], None],
) -> None:
    """On one association send what waits; if it fails, what waits then has failed with it."""
    wanted: Sendable | None = None
    try:
        with association(call.peer, call.title, Proposal(contexts), tls=call.tls) as opened:
            sender = Sender(opened)
            while (wanted := _next(waiting)) is not None:
                tell((wanted, sender.send(wanted)))
    except Exception as error:  # Whatever it is: what became of each object is waited for.
        while (wanted := wanted or _next(waiting)) is not None:
            tell((wanted, Sent("failed", wanted.sop_instance_uid, str(error), statuses.PROCESSING_FAILURE)))
            wanted = None


def _next(waiting: deque[Sendable]) -> Sendable | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
