"""The resources of the studies service (PS3.18 10.1 and Table 10.3-1) and of storage commitment (PS3.18 13)."""

from __future__ import annotations

from kinote.web.dicomweb.addresses import ROOT
from kinote.web.dicomweb.capabilities import capabilities
from kinote.web.dicomweb.commitment import ask_commitment, read_commitment
from kinote.web.dicomweb.retrieving.bulk_data import bulk_data
from kinote.web.dicomweb.retrieving.frames import frames
from kinote.web.dicomweb.retrieving.metadata import metadata
from kinote.web.dicomweb.retrieving.rendered import rendered, rendered_frame, rendered_objects, thumbnail
from kinote.web.dicomweb.retrieving.retrieve import retrieve
from kinote.web.dicomweb.search import search_instances, search_series, search_studies
from kinote.web.dicomweb.storing.store import store
from kinote.web.requests.permitted import PermittedRoute

_STUDY = f"{ROOT}/studies/{{study}}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"

_COMMITMENT = f"{ROOT}/commitment-requests/{{transaction}}"

_FRAME = f"{_INSTANCE}/frames/{{frames}}"


def routes() -> list[PermittedRoute]:
    """Return all routes under `/dicomweb`."""
    return [
        PermittedRoute(_COMMITMENT, ask_commitment, methods=["POST"]),
        PermittedRoute(_COMMITMENT, read_commitment, methods=["GET"]),
        PermittedRoute(f"{ROOT}/studies", search_studies, methods=["GET"]),
        PermittedRoute(f"{ROOT}/studies", store, methods=["POST"]),
        PermittedRoute(f"{ROOT}/series", search_series),
        PermittedRoute(f"{ROOT}/instances", search_instances),
        PermittedRoute(_STUDY, retrieve, methods=["GET"]),
        PermittedRoute(_STUDY, store, methods=["POST"]),
        PermittedRoute(f"{_STUDY}/series", search_series),
        PermittedRoute(f"{_STUDY}/instances", search_instances),
        PermittedRoute(f"{_STUDY}/metadata", metadata),
        PermittedRoute(_SERIES, retrieve),
        PermittedRoute(f"{_SERIES}/instances", search_instances),
        PermittedRoute(f"{_SERIES}/metadata", metadata),
        PermittedRoute(_INSTANCE, retrieve),
        PermittedRoute(f"{_INSTANCE}/metadata", metadata),
        PermittedRoute(_FRAME, frames),
        PermittedRoute(f"{_FRAME}/rendered", rendered_frame),
        PermittedRoute(f"{_INSTANCE}/bulkdata/{{path:path}}", bulk_data),
        PermittedRoute(f"{_INSTANCE}/rendered", rendered),
        PermittedRoute(f"{_STUDY}/rendered", rendered_objects),
        PermittedRoute(f"{_SERIES}/rendered", rendered_objects),
        *(PermittedRoute(f"{base}/thumbnail", thumbnail) for base in (_STUDY, _SERIES, _INSTANCE, _FRAME)),
    ]


def capabilities_routes() -> list[PermittedRoute]:
    """Return the routes that describe the capabilities of the service. They come after all others."""
    describe = capabilities(routes())
    return [
        PermittedRoute(ROOT, describe, methods=["OPTIONS"]),
        PermittedRoute(f"{ROOT}/{{path:path}}", describe, methods=["OPTIONS"]),
    ]
