"""The resources of the studies service and what answers them (PS3.18 10.1 and Table 10.3-1)."""

from __future__ import annotations

from starlette.routing import Route

from kinote.web.dicomweb.addresses import ROOT
from kinote.web.dicomweb.bulk_data import bulk_data
from kinote.web.dicomweb.frames import frames
from kinote.web.dicomweb.metadata import metadata
from kinote.web.dicomweb.rendered import rendered, rendered_frame, thumbnail
from kinote.web.dicomweb.retrieve import retrieve
from kinote.web.dicomweb.search import search_instances, search_series, search_studies
from kinote.web.dicomweb.store import store

_STUDY = f"{ROOT}/studies/{{study}}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"

_FRAME = f"{_INSTANCE}/frames/{{frames}}"


def routes() -> list[Route]:
    """All routes under `/dicomweb`."""
    return [
        Route(f"{ROOT}/studies", search_studies, methods=["GET"]),
        Route(f"{ROOT}/studies", store, methods=["POST"]),
        Route(f"{ROOT}/series", search_series),
        Route(f"{ROOT}/instances", search_instances),
        Route(_STUDY, retrieve, methods=["GET"]),
        Route(_STUDY, store, methods=["POST"]),
        Route(f"{_STUDY}/series", search_series),
        Route(f"{_STUDY}/instances", search_instances),
        Route(f"{_STUDY}/metadata", metadata),
        Route(_SERIES, retrieve),
        Route(f"{_SERIES}/instances", search_instances),
        Route(f"{_SERIES}/metadata", metadata),
        Route(_INSTANCE, retrieve),
        Route(f"{_INSTANCE}/metadata", metadata),
        Route(_FRAME, frames),
        Route(f"{_FRAME}/rendered", rendered_frame),
        Route(f"{_INSTANCE}/bulkdata/{{path:path}}", bulk_data),
        Route(f"{_INSTANCE}/rendered", rendered),
        *(Route(f"{base}/thumbnail", thumbnail) for base in (_STUDY, _SERIES, _INSTANCE, _FRAME)),
    ]
