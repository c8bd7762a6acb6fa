"""The clients of the measurements of retrieval: WADO-RS, C-GET and C-MOVE, a thread for each client."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.sending import connect, get
from benchmarks.subjects import CT, KOS
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CGetResponse, CMoveResponse, CStoreRequest, CStoreResponse
from kinote.dimse.entity import ApplicationEntity

#: Study Root Query/Retrieve Information Model, MOVE and GET (PS3.4 C.3).
_MOVE, _GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

_MULTIPART = 'multipart/related; type="application/dicom"'
_PART = b"Content-Type: application/dicom"
_ELEMENT = struct.Struct("<HHI")

#: Where C-MOVE sends to, as the servers' settings name it.
DESTINATION = "SINK"


@dataclass(frozen=True, slots=True)
class Study:
    """A study and its instances, as pairs of series and instance UIDs."""

    uid: str
    instances: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers."""

    url: str
    entity: ApplicationEntity
    pid: int


#: Retrieves studies as one client; raises `RuntimeError` unless all of their instances come.
Retrieve = Callable[[Server, Sequence[Study]], None]


def retrieve(way: Retrieve, server: Server, studies: Sequence[Study], clients: int) -> None:
    """Retrieve all studies, shared out among so many clients at once."""
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(way, server, studies[at::clients]) for at in range(clients)]:
            done.result()


def wado_instances(server: Server, studies: Sequence[Study]) -> None:
    """Instance by instance (PS3.18 10.4), over one kept connection."""
    connection = connect(server.url)
    for study in studies:
        for series, instance in study.instances:
            target = f"/dicomweb/studies/{study.uid}/series/{series}/instances/{instance}"
            _check("WADO-RS", get(connection, target, _MULTIPART).body.count(_PART), 1)
    connection.close()


def wado_studies(server: Server, studies: Sequence[Study]) -> None:
    """A study in each answer."""
    connection = connect(server.url)
    for study in studies:
        answer = get(connection, f"/dicomweb/studies/{study.uid}", _MULTIPART)
        _check("WADO-RS", answer.body.count(_PART), len(study.instances))
    connection.close()


def c_get(server: Server, studies: Sequence[Study]) -> None:
    """A study with each request, over one association."""
    proposal = Proposal(
        [(_GET, (_IMPLICIT,)), (CT, (_EXPLICIT,)), (KOS, (_EXPLICIT,))], storing=frozenset({CT, KOS})
    )
    with association(server.entity, "CLIENT", proposal) as opened:
        for study in studies:
            *_, last = invoking.get(opened, _GET, _identifier(study.uid), _store)
            _check_answer("C-GET", last, study)


def c_move(server: Server, studies: Sequence[Study]) -> None:
    """A study with each request, over one association; the objects go to `DESTINATION`."""
    with association(server.entity, "CLIENT", Proposal([(_MOVE, (_IMPLICIT,))])) as opened:
        for study in studies:
            *_, last = invoking.move(opened, _MOVE, DESTINATION, _identifier(study.uid))
            _check_answer("C-MOVE", last, study)


WAYS: dict[str, Retrieve] = {
    "WADO-RS, each instance": wado_instances,
    "WADO-RS, each study": wado_studies,
    "C-GET, each study": c_get,
    "C-MOVE, each study": c_move,
}


def _store(_context: Context, request: CStoreRequest, pieces: Iterator[memoryview]) -> CStoreResponse:
    for _ in pieces:
        pass
    return CStoreResponse(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
        status=statuses.SUCCESS,
    )


def _check_answer(way: str, answer: CGetResponse | CMoveResponse, study: Study) -> None:
    if answer.status != statuses.SUCCESS:
        raise RuntimeError(f"{way}: {answer}")
    _check(way, answer.completed or 0, len(study.instances))


def _check(way: str, came: int, wanted: int) -> None:
    if came != wanted:
        raise RuntimeError(f"{way}: {came} of {wanted} instances came")


def _identifier(study_uid: str) -> bytes:
    """Which study, in implicit VR little endian."""
    uid = study_uid.encode() + b"\0" * (len(study_uid) % 2)
    return _ELEMENT.pack(0x0008, 0x0052, 6) + b"STUDY " + _ELEMENT.pack(0x0020, 0x000D, len(uid)) + uid
