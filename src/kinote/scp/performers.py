"""The performers of all requests, for processes that have the index."""

from __future__ import annotations

from kinote.dimse.commands import CFindRequest, CGetRequest, CMoveRequest
from kinote.dimse.operations.refusals import NORMALIZED
from kinote.scp import get, move, normalized, query
from kinote.scp.rooms import IndexSession
from kinote.scp.serving import STORING, Performers

PERFORMERS: Performers[IndexSession] = {
    **STORING,
    CFindRequest: query.perform,
    CMoveRequest: move.perform,
    CGetRequest: get.perform,
    **dict.fromkeys(NORMALIZED, normalized.perform),
}
