"""A system that is queried by C-FIND, and from which objects are fetched by C-GET, or by C-MOVE to ourselves."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pydicom
from pydicom.dataset import Dataset

from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    LOSSY,
)
from kinote.dicom.values.uids import is_tolerable
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.commands import CGetResponse, CMoveResponse, CStoreRequest, CStoreResponse
from kinote.dimse.errors import DimseError
from kinote.dimse.information_models import STUDY_ROOT
from kinote.intake.expected import BareDataSet
from kinote.migration.fetching.source import (
    MOST_FOUND,
    MOST_STUDIES,
    ListedSeries,
    SourceError,
    Taking,
    Wanted,
    counted,
    in_parts,
)
from kinote.peers.reaching.calling import Caller
from kinote.peers.reaching.querying import find, identifier

_UNCOMPRESSED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

#: Transfer syntaxes in which images are accepted: those in which they may be stored, each in its own context, so that a
#: system need not decompress.
_COMPRESSED = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.5",
    *sorted(LOSSY),
)
_OTHERS = (DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)

#: The most instances in one C-GET: a list of UIDs.
_TOGETHER = 200

#: Presentation contexts of one association (PS3.8 9.3.2.2), without those of C-GET and C-MOVE.
_CONTEXTS = 126

#: Seconds in which a system must list its studies, or the series or instances of one; and seconds after which a system
#: is given up that sends pending responses but no objects.
_FOR_STUDIES = 3600.0
_FOR_FEW = 600.0
_UNTIL_NEXT = 300.0


class DimseSource:
    """A system that is queried by DICOM, at `TITLE@host:port`."""

    def __init__(self, call: Caller, moves_to: str = "") -> None:
        """`moves_to` is our AE title, if a server listens under it: for systems without C-GET."""
        self._call = call
        self._moves_to = moves_to

    def studies(self) -> list[str]:
        found = self._find("STUDY", most=MOST_STUDIES, seconds=_FOR_STUDIES)
        return sorted({uid for match in found if (uid := _uid(match, "StudyInstanceUID"))})

    def series(self, study_instance_uid: str, modality: str) -> list[ListedSeries]:
        keys = [f"StudyInstanceUID={study_instance_uid}", "SeriesInstanceUID", f"Modality={modality}"]
        return [
            ListedSeries(study_instance_uid, uid)
            for match in self._find("SERIES", *keys)
            # A system may ignore the modality, and return all series.
            if (uid := _uid(match, "SeriesInstanceUID")) and _text(match, "Modality") in ("", modality)
        ]

    def instances(self, series: ListedSeries) -> list[str]:
        keys = [
            f"StudyInstanceUID={series.study_instance_uid}",
            f"SeriesInstanceUID={series.series_instance_uid}",
            "SOPInstanceUID",
        ]
        return sorted({uid for match in self._find("IMAGE", *keys) if (uid := _uid(match, "SOPInstanceUID"))})

    def fetch(self, wanted: Wanted, taking: Taking, attempt: int = 0) -> None:
        if not attempt:
            self._fetch(wanted, taking, _proposal(wanted.sop_class_uids))
            return
        # Some systems use only one presentation context of a class, so each transfer syntax is proposed separately.
        for syntax in (*_COMPRESSED, *_OTHERS, *_UNCOMPRESSED):
            left = [uid for uid in wanted.instances if uid not in taking.came]
            if not left:
                return
            contexts: list[tuple[str, tuple[str, ...]]] = [
                (uid, (syntax,)) for uid in sorted(wanted.sop_class_uids)
            ]
            self._fetch(replace(wanted, instances=left), taking, _with_get(contexts))

    def _fetch(self, wanted: Wanted, taking: Taking, proposal: Proposal) -> None:
        taking.problem = ""
        try:
            with association(self._call.peer, self._call.title, proposal, tls=self._call.tls) as opened:
                model = STUDY_ROOT.get if opened.context_for(STUDY_ROOT.get) else STUDY_ROOT.move
                context = opened.context_for(model)
                if context is None or (model == STUDY_ROOT.move and not self._moves_to):
                    raise SourceError(
                        f"{self._call.peer} does not offer C-GET; for C-MOVE a server has to run"
                    )
                implicit = context.transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
                for part in in_parts(wanted.instances, _TOGETHER):
                    asked = _encoded(wanted.series, part, implicit=implicit)
                    answers: Iterator[CGetResponse | CMoveResponse] = (
                        invoking.get(opened, model, asked, _store_in(taking, wanted.series))
                        if model == STUDY_ROOT.get
                        else invoking.move(opened, model, self._moves_to, asked)
                    )
                    for answer in _moving_on(opened, answers, taking):
                        if not statuses.is_pending(answer.status) and answer.status != statuses.SUCCESS:
                            said = f": {answer.error_comment}" if answer.error_comment else ""
                            taking.problem = (
                                f"{self._call.peer} answers with status {answer.status:04X}H{said}"
                            )
        except DimseError as error:
            raise SourceError(str(error)) from error

    def close(self) -> None:
        """Do nothing: each query has its own association."""

    def _find(
        self, level: str, *keys: str, most: int = MOST_FOUND, seconds: float = _FOR_FEW
    ) -> Iterator[Dataset]:
        try:
            asked = identifier(level, keys or ["StudyInstanceUID"])
            yield from counted(find(self._call, asked, seconds=seconds), most)
        except DimseError as error:
            raise SourceError(str(error)) from error


def _uid(match: Dataset, keyword: str) -> str:
    """Return the UID in a match, if it can be used for queries."""
    found = _text(match, keyword)
    return found if is_tolerable(found) else ""


def _text(match: Dataset, keyword: str) -> str:
    return str(match.get(keyword) or "").strip(" \0")


def _moving_on(
    opened: Association, answers: Iterator[CGetResponse | CMoveResponse], taking: Taking
) -> Iterator[CGetResponse | CMoveResponse]:
    """Yield responses, as long as objects arrive in between. Raises `SourceError`."""
    moved_on, at = (-1, -1), time.monotonic()
    for answer in answers:
        told = (len(taking.came), answer.completed or 0)
        if told > moved_on:
            moved_on, at = told, time.monotonic()
        elif time.monotonic() - at > _UNTIL_NEXT:
            # Without a C-CANCEL, whose response would have to be awaited as well.
            opened.abort()
            raise SourceError(f"{opened.peer_host} goes on answering, and sends nothing")
        yield answer


def _proposal(sop_class_uids: frozenset[str]) -> Proposal:
    """Propose C-GET, and storage of these classes: first in the syntaxes that all have, then in those they may be
    stored in.
    """
    classes = sorted(sop_class_uids)
    contexts: list[tuple[str, tuple[str, ...]]] = [(uid, _UNCOMPRESSED) for uid in classes]
    contexts += [
        (uid, (syntax,))
        for syntax in (*_COMPRESSED, *_OTHERS)
        for uid in classes
        if uid != KEY_OBJECT_SELECTION or syntax in _OTHERS
    ]
    return _with_get(contexts[:_CONTEXTS])


def _with_get(contexts: list[tuple[str, tuple[str, ...]]]) -> Proposal:
    retrieving = [(STUDY_ROOT.get, _UNCOMPRESSED), (STUDY_ROOT.move, _UNCOMPRESSED)]
    return Proposal([*retrieving, *contexts], storing=frozenset(uid for uid, _ in contexts))


def _encoded(series: ListedSeries, instances: object, *, implicit: bool) -> bytes:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = series.study_instance_uid
    query.SeriesInstanceUID = series.series_instance_uid
    query.SOPInstanceUID = list(instances)  # type: ignore[call-overload]
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, query, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def _store_in(taking: Taking, series: ListedSeries) -> invoking.Store:
    def store(context: Context, command: CStoreRequest, data: Iterator[memoryview]) -> CStoreResponse:
        uid = command.affected_sop_instance_uid
        if not taking.is_wanted(uid):
            return CStoreResponse(
                message_id_being_responded_to=command.message_id,
                affected_sop_class_uid=command.affected_sop_class_uid,
                affected_sop_instance_uid=uid,
                status=statuses.NOT_AUTHORIZED,
            )
        taking.came.add(uid)
        expected = BareDataSet(
            command.affected_sop_class_uid, uid, context.transfer_syntax, series.study_instance_uid
        )
        upload = taking.receiver.open(taking.origin, expected)
        try:
            for piece in data:
                upload.write(piece)
        except BaseException:
            with suppress(OSError):
                upload.break_off("The association ended before the object was whole.")
            raise
        # The response is sent when the object is durable: what we accepted is never requested again (law 6).
        outcome = upload.finish(sync_here=True).result()
        if outcome.kind in ("held", "refused"):
            taking.refused[uid] = outcome.reason
        return CStoreResponse(
            message_id_being_responded_to=command.message_id,
            affected_sop_class_uid=command.affected_sop_class_uid,
            affected_sop_instance_uid=uid,
            status=statuses.SUCCESS if outcome.succeeded else outcome.status or statuses.CANNOT_UNDERSTAND,
        )

    return store
