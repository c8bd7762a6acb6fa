"""Whatever a peer sends, the DICOM face answers as the standard says, and serves on."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from kinote.dimse import invoking
from kinote.dimse.invoking import VERIFICATION
from kinote.scp.options import ScpLimits, ScpOptions
from tests.dimse.ends import eventually, nothing_left
from tests.intake.objects import image
from tests.intake.test_receiver import data_set
from tests.kept_bytes import nobodys
from tests.scale import SCALE
from tests.scp.face import PROCESSES, Face, face
from tests.scp.hostile import Author, Script, compare, play

#: After so many scripts it is looked at what they have left.
_ROUND = 50


@pytest.mark.soak
@pytest.mark.parametrize("processes", PROCESSES)
def test_random_scripts(tmp_path: Path, processes: int) -> None:
    author = Author(20260, data_set(image(1)), "1.2.3.4.1")
    with nothing_left(), face(tmp_path / "data", processes=processes) as product:
        serve_on(product)
        open_before = sockets()
        for _ in range(SCALE.hostile_scripts // _ROUND):
            for _ in range(_ROUND):
                played(author.script(), product)
            serve_on(product)
            eventually(lambda: not threads(), "threads of associations are left")
            eventually(lambda: sockets() <= open_before, "connections are left")
        assert nobodys(tmp_path / "data") == set()
        assert stored(product) <= 1


@pytest.mark.soak
@pytest.mark.parametrize("processes", PROCESSES)
def test_scripts_that_end_in_silence(tmp_path: Path, processes: int) -> None:
    """Many at once, since each takes its time."""
    author = Author(20261, data_set(image(1)), "1.2.3.4.1")
    hasty = ScpOptions(port=0, limits=ScpLimits(idle_seconds=1, artim_seconds=1, message_seconds=1))
    scripts = [author.script(silent=True) for _ in range(SCALE.hostile_scripts // 20)]
    with nothing_left(), face(tmp_path / "data", hasty, processes=processes) as product:
        with ThreadPoolExecutor(10) as players:
            list(players.map(lambda script: played(script, product), scripts))
        serve_on(product)
        assert nobodys(tmp_path / "data") == set()


def played(script: Script, product: Face) -> None:
    compare(script, play(script, (product.host, product.port)))


def serve_on(product: Face) -> None:
    with product.called(VERIFICATION) as association:
        assert invoking.echo(association).status == 0


def threads() -> list[threading.Thread]:
    """Those of associations; the rooms below have more or less of their own."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("dicom-127.")]


def sockets() -> int:
    """Open ones of this process."""
    number = 0
    for each in Path("/proc/self/fd").iterdir():
        # One may be closed meanwhile, that of the listing itself for instance.
        with contextlib.suppress(FileNotFoundError):
            number += str(each.readlink()).startswith("socket:")
    return number


def stored(product: Face) -> int:

    with product.rooms.catalog.read() as connection:
        return int(
            connection.execute(text("SELECT count(*) FROM instance WHERE standing = 'live'")).scalar_one()
        )
