"""`kinote routes`, on a store that no server has open."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command.test_peer_commands import Typed, store, typed

__all__ = ["store", "typed"]


def test_a_route_is_managed_by_commands(store: Typed, tmp_path: Path) -> None:
    store("peers", "add", "Theatre", "--dicom", "SURGERY@10.1.2.3:104")
    store("destinations", "add", "Surgery", "Theatre")
    file = tmp_path / "route.json"
    wanted = {
        "name": "For surgery",
        "destination": "Surgery",
        "triggers": ["note made"],
        "conditions": {"titles": [{"value": "113004"}], "modalities": ["CT"]},
    }
    file.write_text(json.dumps(wanted))
    added = json.loads(store("routes", "add", str(file)))
    assert added["destination"]["name"] == "Surgery"
    assert "For surgery" in store("routes", "list")

    file.write_text(json.dumps({"training": True, "conditions": {"modalities": []}}))
    changed = json.loads(store("routes", "change", "For surgery", str(file)))
    assert (changed["training"], changed["conditions"]["modalities"]) == (True, [])
    assert changed["conditions"]["titles"] == [{"value": "113004", "scheme": "DCM"}]
    assert "0 objects on 0 occasions" in store("routes", "dry-run", "For surgery")
    assert store.json("routes", "results", "For surgery") == []

    file.write_text(json.dumps({"destination": "Nowhere"}))
    assert "no destination 'Nowhere'" in store("routes", "change", "For surgery", str(file), status=1)
    file.write_text("{")
    assert "cannot be read" in store("routes", "add", str(file), status=1)
    assert json.loads(store("routes", "remove", str(added["id"])))["ended"]
    assert store.json("routes", "list") == []
