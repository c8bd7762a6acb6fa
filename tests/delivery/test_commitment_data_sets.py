"""Requests and results of storage commitment are written as pydicom reads them, and read as it writes them."""

from __future__ import annotations

import pytest

from kinote.delivery.commitment.data_sets import (
    SYNTAXES,
    CommitmentRequest,
    UnreadableCommitmentError,
    read_request,
    read_result,
    written_request,
    written_result,
)
from tests.dimse.both_ends import decoded, encoded, references

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, IMPLICIT = SYNTAXES


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_request(syntax: str) -> None:
    wanted = CommitmentRequest("2.25.7", ((CT, "1.2.3"), (MR, "1.2.34")))
    written = written_request(wanted, syntax)
    assert decoded(written, implicit=syntax == IMPLICIT) == references("2.25.7", *wanted.references)
    assert read_request(written, syntax) == wanted
    assert read_request(encoded(references("2.25.7", *wanted.references)), EXPLICIT) == wanted


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_result(syntax: str) -> None:
    written = written_result(
        "2.25.7",
        [(CT, "1.2.3")],
        [(MR, "1.2.34", 0x0112)],
        retrieve_ae_title="US",
        transfer_syntax_uid=syntax,
    )
    found = decoded(written, implicit=syntax == IMPLICIT)
    assert (found.TransactionUID, found.RetrieveAETitle) == ("2.25.7", "US")
    (failed,) = found.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.2.34", 0x0112)
    result = read_result(written, syntax)
    assert result.committed == ((CT, "1.2.3"),)
    assert result.failed == ((MR, "1.2.34", 0x0112),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        encoded(references("", (CT, "1.2.3"))),
        encoded(references("2.25.1")),
        encoded(references("2.25.1", (CT, ""))),
        encoded(references("2.25.1", ("", "1.2.3"))),
    ],
    ids=["nothing", "cut off", "no transaction", "no references", "no instance", "no class"],
)
def test_what_is_no_request(data: bytes) -> None:
    with pytest.raises(UnreadableCommitmentError):
        read_request(data, EXPLICIT)
