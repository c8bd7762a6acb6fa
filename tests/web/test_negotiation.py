"""What clients accept: media ranges, weights, the query parameter; frames and transfer syntaxes."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from kinote.web.bodies.negotiation import accepted, choose, media_type
from kinote.web.dicomweb.retrieving.frame_media import frame_form
from kinote.web.dicomweb.retrieving.transfer_syntax import outgoing_syntax
from kinote.web.problems import BadRequestError

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
MPEG2 = "1.2.840.10008.1.2.4.100"
BASELINE, LOSSLESS_JPEG, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"


def asking(accept: str, query: str = "") -> Request:
    headers = [(b"accept", accept.encode())] if accept else []
    return Request({"type": "http", "headers": headers, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("", "", ["*/*"]),
        ("text/html, */*;q=0.1, image/png;q=0.9", "", ["text/html", "image/png", "*/*"]),
        ("*/*, image/*, image/png", "", ["image/png", "image/*", "*/*"]),
        ("image/png;q=0", "", []),
        ("image/png", "accept=image/jpeg", ["image/jpeg"]),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "", ["text/html", "image/gif", "*/*"]),
        ("toto, image/png;q=x, image/jpeg; a b, image/gif", "", ["image/gif"]),
        ("toto", "", ["*/*"]),
        ('multipart/related; type="image/jls, x"; q=0.5, IMAGE/GIF', "", ["image/gif", "multipart/related"]),
    ],
)
def test_ranges_in_order(accept: str, query: str, expected: list[str]) -> None:
    assert [item.name for item in accepted(asking(accept, query))] == expected


def test_a_range_of_the_query_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequestError):
        accepted(asking("image/png", "accept=jpeg"))


def test_parameters() -> None:
    wanted = media_type(
        'multipart/related; type="application/dicom"; transfer-syntax=*; boundary="a\\"b;c,d"'
    )
    assert wanted.parameters == {"type": "application/dicom", "transfer-syntax": "*", "boundary": 'a"b;c,d'}
    assert (wanted.part_type.name, wanted.part_type.transfer_syntax) == ("application/dicom", "*")
    assert media_type("multipart/related").part_type.name == "*/*"


@pytest.mark.parametrize("text", ["", "text", "/x", "text/", "a/b; =", "a/b; q=x", "a/b; c d"])
def test_malformed(text: str) -> None:
    with pytest.raises(BadRequestError):
        media_type(text)


def test_the_first_offered_that_is_liked_best() -> None:
    ranges = accepted(asking("image/*;q=0.5, image/gif"))
    assert choose(ranges, ("image/jpeg", "image/gif")) == "image/gif"
    assert choose(ranges, ("image/jpeg",)) == "image/jpeg"
    assert choose(ranges, ("text/html",)) is None


@pytest.mark.parametrize(
    ("stored", "accept", "expected"),
    [
        (BASELINE, "a/b", BASELINE),
        (BASELINE, "a/b; transfer-syntax=*", BASELINE),
        (BASELINE, f"a/b; transfer-syntax={EXPLICIT}", EXPLICIT),
        (BASELINE, f"a/b; transfer-syntax={IMPLICIT}", IMPLICIT),
        (MPEG2, "a/b", MPEG2),
        (MPEG2, f"a/b; transfer-syntax={EXPLICIT}", None),
        ("1.2.840.10008.1.2.8.1", "a/b", EXPLICIT),
        ("1.2.840.113619.5.2", "a/b", EXPLICIT),
        (J2K, "a/b", EXPLICIT),
        (J2K, f"a/b; transfer-syntax={IMPLICIT}", IMPLICIT),
        (J2K, "a/b; transfer-syntax=*", J2K),
        (J2K, f"a/b; transfer-syntax={BASELINE}", None),
        (IMPLICIT, "a/b; q=0.1, a/b; transfer-syntax=*; q=0.2", IMPLICIT),
        ("1.2.3.4", "a/b", "1.2.3.4"),
    ],
)
def test_transfer_syntax_of_an_instance(stored: str, accept: str, expected: str | None) -> None:
    assert outgoing_syntax(stored, accepted(asking(accept))) == expected


@pytest.mark.parametrize(
    ("stored", "accept", "media", "decoded"),
    [
        (EXPLICIT, "*/*", "application/octet-stream", False),
        (
            IMPLICIT,
            f"application/octet-stream; transfer-syntax={EXPLICIT}",
            "application/octet-stream",
            False,
        ),
        (BASELINE, "*/*", "image/jpeg", False),
        (BASELINE, "application/octet-stream", "application/octet-stream", True),
        (LOSSLESS_JPEG, "image/jpeg", "image/jpeg", False),
        (LOSSLESS_JPEG, f"image/jpeg; transfer-syntax={BASELINE}", None, None),
        (J2K, "image/x-jls, application/octet-stream; q=0.5", "application/octet-stream", True),
        (J2K, "image/dicom+jp2", "image/jp2", False),
        ("1.2.3.4", "application/octet-stream; transfer-syntax=1.2.3.4", "application/octet-stream", False),
    ],
)
def test_form_of_frames(stored: str, accept: str, media: str | None, decoded: bool | None) -> None:
    form = frame_form(stored, accepted(asking(accept)))
    assert (form and form.media_type, form and form.decoded) == (media, decoded)
