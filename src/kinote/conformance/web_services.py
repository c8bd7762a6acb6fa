"""Section 4 of the statement: DICOMweb (PS3.2 N.5, PS3.18)."""

from __future__ import annotations

from collections.abc import Iterable

from kinote.conformance.markdown import Section, table, uid_name
from kinote.web.dicomweb.capabilities import answers_of, taken_by
from kinote.web.dicomweb.retrieving.frame_media import STORED_AS
from kinote.web.dicomweb.routes import capabilities_routes, routes

#: What each function that serves a resource does, in the terms of PS3.18.
_TRANSACTIONS = {
    "search_studies": "Search (QIDO-RS)",
    "search_series": "Search (QIDO-RS)",
    "search_instances": "Search (QIDO-RS)",
    "store": "Store (STOW-RS)",
    "retrieve": "Retrieve (WADO-RS)",
    "metadata": "Retrieve Metadata (WADO-RS)",
    "frames": "Retrieve Frames (WADO-RS)",
    "bulk_data": "Retrieve Bulk Data (WADO-RS)",
    "rendered": "Retrieve Rendered (WADO-RS)",
    "rendered_objects": "Retrieve Rendered (WADO-RS)",
    "rendered_frame": "Retrieve Rendered (WADO-RS)",
    "thumbnail": "Retrieve Thumbnail (WADO-RS)",
    "ask_commitment": "Request Storage Commitment",
    "read_commitment": "Check Storage Commitment Result",
    "describe": "Retrieve Capabilities",
}


def web_services() -> Section:
    """Return the section about DICOMweb."""
    return Section(
        "DICOMweb",
        (),
        (
            Section("Studies service: origin server", (_ORIGIN, _resources())),
            Section("Media types of frames", (_FRAMES, _frames())),
            Section("Parameters, statuses and limits", (_PARAMETERS,)),
            Section("User agent", (_USER_AGENT,)),
        ),
    )


def _resources() -> str:
    rows = []
    for route in (*routes(), *capabilities_routes()):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            path = route.path.replace(":path}", "}")
            transaction = _TRANSACTIONS[route.endpoint.__name__]
            taken = _typed(taken_by(route)) if method == "POST" else ""
            given = (
                "`application/vnd.sun.wadl+xml`" if method == "OPTIONS" else _typed(answers_of(route, method))
            )
            rows.append((transaction, f"`{method} {path}`", taken, given))
    return table(("transaction", "resource", "accepts", "answers"), rows)


def _frames() -> str:
    rows = ((f"`{media}`", uid_name(uid), f"`{uid}`") for uid, media in STORED_AS.items())
    return table(("media type", "transfer syntax", "UID"), rows)


def _typed(media_types: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in media_types)


_ORIGIN = (
    "The base is `/dicomweb`. Responses are those of PS3.18; JSON is the only form of metadata (no XML). Matching"
    " keys are those of C-FIND (section 3.8), at every level. The notification, worklist and non-patient-instance"
    " services are not offered. Neither is WADO-URI."
)

_FRAMES = (
    "Frames go out as they are stored, in the media type of their transfer syntax, or decoded as "
    "`application/octet-stream` in Explicit VR Little Endian where they can be decoded (annex B)."
)

_PARAMETERS = (
    "[HTTP](http.md#parameters-of-dicomweb) has the query parameters, the parameters of pictures, the "
    "[problems](http.md#problems) and their statuses. Stored objects are answered one by one in the store "
    "response (PS3.18 10.5.3, I.2), with the failure reasons that are the statuses of C-STORE (section 3.5)."
)

_USER_AGENT = (
    "Kinote asks a DICOMweb peer for one study when a person tests its endpoint (`GET /studies?limit=1`)."
)
