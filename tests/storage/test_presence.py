"""Who has a data directory open is certain, however a process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kinote.storage.directory.presence import Presence
from tests.command_line import SOURCE
from tests.dimse.ends import eventually


def test_processes_see_each_other_until_they_end(tmp_path: Path) -> None:
    first, second = Presence(tmp_path), Presence(tmp_path)
    assert (list(first.others()), list(second.others())) == ([second.mark], [first.mark])
    (since,) = first.others().values()
    assert abs(datetime.now(UTC) - since) < timedelta(hours=1)
    second.close()
    assert first.others() == {}
    first.close()


def test_one_that_is_killed_is_gone_with_its_file(tmp_path: Path) -> None:
    here = Presence(tmp_path)
    program = (
        "from kinote.storage.directory.presence import Presence; from pathlib import Path; import sys\n"
        f"print(Presence(Path({str(tmp_path)!r})).mark, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(SOURCE)},
    ) as other:
        assert other.stdout is not None
        mark = other.stdout.readline().strip()
        assert list(here.others()) == [mark]
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert here.others() == {}
    assert not (tmp_path / "processes" / mark).exists()
    here.close()


def test_one_recovers_at_a_time(tmp_path: Path) -> None:
    first, second = Presence(tmp_path), Presence(tmp_path)
    with first.recovering() as may:
        assert may
        assert second.others() == first.others() or first.mark in second.others()
    with second.recovering() as may:
        assert may
    first.close()
    second.close()


def test_a_mark_lives_as_long_as_a_process_that_has_inherited_it(tmp_path: Path) -> None:
    """So what a receiver process writes is protected when the main process has died before it."""
    here = Presence(tmp_path)
    program = (
        "from kinote.storage.directory.presence import Presence; from pathlib import Path; import subprocess, sys\n"
        f"presence = Presence(Path({str(tmp_path)!r}))\n"
        "with subprocess.Popen(['cat'], pass_fds=[presence.descriptor]) as child:\n"
        "    print(presence.mark, flush=True)\n"
        "    import signal; signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]},
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        mark = other.stdout.readline().strip()
        assert list(here.others()) == [mark]
        other.kill()
        other.wait(60)
        assert list(here.others()) == [mark]
        # Its child goes on until its input ends.
        other.stdin.close()
        other.stdout.read()
    eventually(lambda: here.others() == {}, "the mark outlives all processes")
    here.close()
