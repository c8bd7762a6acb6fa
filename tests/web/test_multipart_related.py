"""multipart/related: what is written is read again however it is cut; what is malformed is refused in bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinote.web.bodies.multipart_related import (
    MultipartError,
    Part,
    PartBegins,
    PartEnds,
    PartReader,
    multipart_body,
    new_boundary,
)

BOUNDARY = "b"

#: Content that looks like delimiters is what a parser trips over.
_content = st.lists(
    st.sampled_from([b"\r\n--b", b"--", b"\r\n", b"\r", b"\n", b"-", b"b", b"\0\1", b"x" * 50, b"\r\n--c"]),
    max_size=12,
).map(b"".join)


def read(pieces: list[bytes], boundary: str = BOUNDARY, **options: int) -> list[tuple[dict[str, str], bytes]]:
    reader = PartReader(boundary, **options)
    parts: list[tuple[dict[str, str], bytes]] = []
    content: list[bytes] = []
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, PartBegins):
                parts.append((dict(event.headers), b""))
                content = []
            elif isinstance(event, PartEnds):
                parts[-1] = (parts[-1][0], b"".join(content))
            else:
                content.append(event)
    reader.finish()
    return parts


@given(st.lists(_content, max_size=4), st.data())
def test_any_content_comes_back_however_the_body_is_cut(contents: list[bytes], data: st.DataObject) -> None:
    boundary = "kinote-0123456789"
    parts = [Part((("Content-Type", "application/dicom"), ("X", "a: b")), (content,)) for content in contents]
    body = b"".join(multipart_body(parts, boundary))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    headers = {"content-type": "application/dicom", "x": "a: b"}
    assert read(pieces, boundary) == [(headers, content) for content in contents]
    assert read([body[at : at + 1] for at in range(len(body))], boundary) == [
        (headers, one) for one in contents
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n\r\nx",
        b"--b\r\n\r\nx\r\n--b\r\n",
        b"--c\r\n\r\nx\r\n--c--\r\n",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\nx\r\n--b--\r\n",
        b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(MultipartError):
        read([body])


def test_too_many_parts() -> None:
    body = b"--b\r\n\r\nx\r\n" * 11 + b"--b--\r\n"
    assert len(read([body], max_parts=11)) == 11
    with pytest.raises(MultipartError, match="more than 10 parts"):
        read([body], max_parts=10)


def test_parts_before_a_fault_are_given_first() -> None:
    reader = PartReader(BOUNDARY)
    events = reader.feed(b"--b\r\n\r\nwhole\r\n--b\r\nno colon\r\n\r\n")
    assert events == [PartBegins({}), b"whole", PartEnds()]
    with pytest.raises(MultipartError):
        reader.feed(b"more")


@pytest.mark.parametrize("boundary", ["", "ü€", "x" * 1000])
def test_impossible_boundaries(boundary: str) -> None:
    with pytest.raises(MultipartError):
        PartReader(boundary)


def test_boundaries_differ() -> None:
    assert len({new_boundary() for _ in range(100)}) == 100
