"""Who is a node of an index, and which machines may have one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kinote.app import ApplicationError, Purpose, open_application
from kinote.catalog.nodes import living_nodes
from kinote.settings.model import Settings
from tests.clock import clock


@pytest.mark.parametrize(("purpose", "nodes"), [("serve", 1), ("work", 0), ("look", 0)])
def test_only_a_server_is_a_node(tmp_path: Path, purpose: Purpose, nodes: int) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data"})
    with open_application(settings):
        pass
    with open_application(settings, purpose) as application, application.catalog.read() as connection:
        assert len(living_nodes(connection, clock())) == nodes


def test_a_server_on_another_machine_is_refused(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data", "database": postgresql_url})
    with open_application(settings, "serve"):
        with monkeypatch.context() as patched:
            patched.setattr(socket, "gethostname", lambda: "elsewhere")
            with (
                pytest.raises(ApplicationError, match="this one is elsewhere"),
                open_application(settings, "serve"),
            ):
                pass
        with open_application(settings, "serve") as beside, beside.catalog.read() as connection:
            assert {each.host for each in living_nodes(connection, clock())} == {socket.gethostname()}
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", lambda: "elsewhere")
        with open_application(settings, "serve"):
            pass
