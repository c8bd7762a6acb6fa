"""What peers ask for is in the audit trail: queries, retrievals, and what they have no right to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kinote.catalog.transactions.catalog import Catalog
from kinote.dimse import statuses
from kinote.dimse.information_models import STUDY_ROOT
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.security.rights import Right
from tests.clock import clock
from tests.policies import denying
from tests.scp.face import face
from tests.scp.test_rights import _find, _get, _move, _store
from tests.web.objects import CT, STUDY


def entries(catalog: Catalog, trail: AuditTrail) -> list[tuple[Any, ...]]:
    trail.flush()
    with catalog.read() as connection:
        found = search_trail(connection, TrailSearch(), before=None, limit=100)
    return [
        (each["event"], each["outcome"], each["by"]["name"], each["study_instance_uid"], each["detail"])
        for each in reversed(found)
    ]


def test_what_peers_ask_for_is_recorded(tmp_path: Path) -> None:
    policy = denying()
    with face(tmp_path / "data", policy=policy) as opened:
        catalog = opened.rooms.catalog
        trail = AuditTrail(catalog, clock)
        opened.server._rooms = replace(opened.server._rooms, trail=trail)
        with opened.called(CT, STUDY_ROOT.find, STUDY_ROOT.move, STUDY_ROOT.get) as association:
            _store(association)
            _find(association)
            _move(association)
        policy.denied.add(Right.READ)
        with opened.called(STUDY_ROOT.find, STUDY_ROOT.get) as association:
            assert _find(association) == _get(association) == statuses.NOT_AUTHORIZED
        found = entries(catalog, trail)
    query = {"service": "C-FIND", "level": "STUDY", "query": f"StudyInstanceUID={STUDY}"}
    assert ("query", "success", "TESTER", None, query) in found
    moved = {"service": "C-MOVE", "destination": "NOBODY"}
    # It is known nowhere, so that nothing goes there.
    assert ("delivered", "failure", "TESTER", STUDY, moved) in found
    for service in ("C-FIND", "C-GET"):
        assert ("refused", "refused", "TESTER", None, {"service": service}) in found
