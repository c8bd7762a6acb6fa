"""Querying another application entity with C-FIND."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import pydicom
from pydicom.dataset import Dataset

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.errors import NotAcceptedError, RefusedError
from kinote.dimse.information_models import PATIENT_ROOT, STUDY_ROOT
from kinote.dimse.protocol.user_information import ExtendedNegotiation
from kinote.peers.reaching.calling import Caller, PeerError

#: Requests relational queries, combined date-time matching, fuzzy names and time zone adjustment (PS3.4 C.5.1.1).
_ALL_OPTIONS = b"\1\1\1\1"


def identifier(level: str, keys: Sequence[str]) -> Dataset:
    """Make the identifier of a query. A key is `Keyword=value` to match, or `Keyword` to return an attribute.

    Dots lead into sequences, as in `ConceptNameCodeSequence.CodeValue=113000`. Raises `PeerError` if a key names no
    known attribute.
    """
    query = Dataset()
    query.QueryRetrieveLevel = level
    if any(not key.isascii() for key in keys):
        query.SpecificCharacterSet = "ISO_IR 192"
    for key in keys:
        path, _, value = key.partition("=")
        *sequences, keyword = path.split(".")
        dataset = query
        try:
            for sequence in sequences:
                if sequence not in dataset:
                    setattr(dataset, sequence, [Dataset()])
                dataset = getattr(dataset, sequence)[0]
            # Not validated: wildcards and ranges are not valid values of most VRs.
            element = pydicom.DataElement(
                keyword, pydicom.datadict.dictionary_VR(keyword), None, validation_mode=pydicom.config.IGNORE
            )
            if element.VR == "SQ":
                element.value = [Dataset()]
            elif value:
                element.value = value.split("\\") if "\\" in value else value
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PeerError(f"{key!r} is not a known attribute: {error}") from error
        dataset.add(element)
    return query


def find(call: Caller, query: Dataset, *, seconds: float | None = None) -> Iterator[Dataset]:
    """Send a C-FIND (PS3.7 9.1.2) with the identifier `query` and yield the matches.

    They have to come within so many `seconds`, if there is a limit.
    Raises `DimseError` if the peer does not answer, and `RefusedError` if it answers with a failure status.
    """
    model = PATIENT_ROOT if query.QueryRetrieveLevel == "PATIENT" else STUDY_ROOT
    proposal = Proposal(
        [(model.find, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))],
        extended=(ExtendedNegotiation(model.find, _ALL_OPTIONS),),
    )
    with association(call.peer, call.title, proposal, tls=call.tls) as opened:
        context = opened.context_for(model.find)
        if context is None:
            raise NotAcceptedError(model.find)
        implicit = context.transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
        asked = _encoded(query, implicit=implicit)
        with opened.within(seconds) if seconds is not None else nullcontext():
            for answer, found in invoking.find(opened, model.find, asked):
                if statuses.is_pending(answer.status):
                    yield _decoded(found, implicit=implicit)
                elif not statuses.is_done(answer.status):
                    comment = f": {answer.error_comment}" if answer.error_comment else ""
                    raise RefusedError(f"{call.peer} answers with status {answer.status:04X}H{comment}")


def value_at(match: Dataset, name: str) -> str:
    """Return the value of a requested attribute in a match as text. For a dotted name, the first items are used."""
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
