"""A text that no database can store is refused in every field of every act, before anything is done."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from kinote.web.problems import RefusedContentError
from kinote.web.requests.plain_text import refuse_unstorable_texts
from tests.web.objects import as_file, image

BAD = {"NUL": "a\0b", "half of a surrogate pair": "a\ud800"}

ACTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "withdrawal": ("withdrawals", {"act": "quality", "text": "?", "instances": ["1.2"]}, "text"),
    "hold": ("retention/holds", {"kind": "legal", "reason": "?", "study": "1.2"}, "reason"),
    "delivery": ("deliveries", {"destination": "X", "studies": ["1.2"], "reason": "?"}, "reason"),
    "export": ("exports", {"studies": ["1.2"], "recipient": "?", "reason": "r"}, "recipient"),
    "peer": ("peers", {"name": "?"}, "name"),
    "followed peer": ("migrations/followed", {"peer": "?"}, "peer"),
    "study to evict": ("archives/1/evict", {"studies": ["?"]}, "studies[0]"),
    "note": ("studies/1.2/notes", {"description": "?"}, "description"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("act", ACTS)
def test_it_is_refused_with_its_field(client: httpx.Client, act: str, what: str) -> None:
    path, body, field = ACTS[act]
    data = json.dumps(body).replace('"?"', json.dumps(BAD[what]))
    answer = client.post(f"/api/v1/{path}", content=data, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert what in answer.json()["detail"]


def test_whole_surrogate_pairs_and_other_characters_are_taken() -> None:
    for text in ("\U0001f600", "Größe\t\n", "\x07", "\\u0000", "漢字"):
        refuse_unstorable_texts(json.dumps({"text": [text]}).encode())
        refuse_unstorable_texts(json.dumps({"text": [text]}, ensure_ascii=False).encode())


def test_names_of_fields_and_deep_bodies_are_looked_through() -> None:
    with pytest.raises(RefusedContentError):
        refuse_unstorable_texts(b'{"a\\u0000": 1}')
    refuse_unstorable_texts(b"[" * 100_000 + b'"\\u0000"')
    deep = b"[" * 500 + b'"\\u0000"' + b"]" * 500
    with pytest.raises(RefusedContentError):
        refuse_unstorable_texts(deep)


def test_a_withdrawal_whose_text_is_not_printable_is_made(client: httpx.Client) -> None:
    """What of a text no document can have is left out of the rejection note."""
    stored = store_image(client)
    answer = client.post(
        "/api/v1/withdrawals", json={"act": "quality", "text": "\x07", "instances": [stored]}
    )
    assert answer.status_code == 201, answer.text


def store_image(client: httpx.Client) -> str:
    made = image()
    answer = client.post(
        "/dicomweb/studies", content=as_file(made), headers={"Content-Type": "application/dicom"}
    )
    assert answer.status_code == 200, answer.text
    return str(made.SOPInstanceUID)
