"""The performers of all requests, for processes that have the index."""

from __future__ import annotations

from kinote.dimse.commands import CFindRequest, CGetRequest, CMoveRequest
from kinote.dimse.operations.refusals import NORMALIZED
from kinote.scp import normalized
from kinote.scp.associations.serving import STORING, Performers
from kinote.scp.queries import query
from kinote.scp.retrieving import get, move
from kinote.scp.rooms import IndexSession

PERFORMERS: Performers[IndexSession] = {
    **STORING,
    CFindRequest: query.perform,
    CMoveRequest: move.perform,
    CGetRequest: get.perform,
    **dict.fromkeys(NORMALIZED, normalized.perform),
}
