"""What a frame may do to the process that decodes it: nothing to anybody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from kinote.decoding import worker
from kinote.decoding.errors import (
    DecodingCancelledError,
    DecodingUnavailableError,
    FrameError,
    OverrunError,
)
from kinote.decoding.pool import Decoded, Pool
from kinote.decoding.starter import Starter
from kinote.decoding.turns import Turns
from tests.decoding.pools import FRAME, PROGRAM, SHORT, good, misbehaving

#: What a frame does, what is said of it, and the kind of failure.
MISDEEDS = [
    ("hang", r"decoding took more than 0\.4 seconds and was stopped", "overrun"),
    ("exit", "its decoder ended by itself with status 7", "crashed"),
    ("panic", "its decoder ended by itself with status 1", "crashed"),
    ("segfault", r"its decoder crashed \(SIGSEGV\)", "crashed"),
    ("abort", r"its decoder crashed \(SIGABRT\)", "crashed"),
    ("killed", "its decoder was killed from outside, perhaps for lack of memory", "crashed"),
    ("memory", "decoding needs more than 256 MB of memory", "memory"),
]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with misbehaving() as opened:
        yield opened


def test_frames_are_decoded_by_a_process_that_stays(pool: Pool) -> None:
    words = good(pool)
    assert words.dtype == "u2" and words.tolist() == [5] * (16 * 8)
    pids = pool.pids
    good(pool)
    assert pool.pids == pids


@pytest.mark.parametrize(("deed", "reason", "outcome"), MISDEEDS)
def test_law_5_a_frame_harms_only_itself(pool: Pool, deed: str, reason: str, outcome: str) -> None:
    with pytest.raises(OverrunError, match=f"^{reason}$") as raised:
        pool.decode(deed.encode(), FRAME, "1.2")
    assert raised.value.outcome == outcome
    assert good(pool).tolist() == [5] * (16 * 8)


def test_breach_of_law_5_without_a_limit_of_time_a_frame_keeps_its_caller() -> None:
    """Only its going away ends it."""
    gone = threading.Event()
    threading.Timer(1.5, gone.set).start()
    with misbehaving(replace(SHORT, seconds=1e6)) as unlimited, pytest.raises(DecodingCancelledError):
        unlimited.decode(b"hang", FRAME, "1.2", gone.is_set)


def test_a_frame_that_sleeps_is_stopped_by_the_clock() -> None:
    with misbehaving(replace(SHORT, patience=1.0)) as impatient:
        with pytest.raises(OverrunError, match="was stopped"):
            impatient.decode(b"sleep", FRAME, "1.2")
        good(impatient)


def test_a_damaged_frame_costs_no_process(pool: Pool) -> None:
    good(pool)
    pids = pool.pids
    with pytest.raises(FrameError, match=r"a bad   frame  \[31mxxx") as raised:
        pool.decode(b"error", FRAME, "1.2")
    assert len(str(raised.value)) < 600
    assert pool.pids == pids


def test_a_process_whose_codec_leaks_is_replaced() -> None:
    with misbehaving(replace(SHORT, memory=1 << 30, seconds=60)) as pool:
        for _ in range(3):
            assert pool.decode(b"leak", FRAME, "1.2").max() == 6
            assert pool.pids == []
        good(pool)


def test_nothing_is_seen_of_the_frame_before(pool: Pool) -> None:
    good(pool)
    assert not pool.decode(b"nothing", FRAME, "1.2").any()


def test_a_process_that_talks_nonsense_is_not_believed(pool: Pool) -> None:
    with pytest.raises((DecodingUnavailableError, OverrunError)):
        pool.decode(b"nonsense", FRAME, "1.2")
    good(pool)


def test_a_codec_cannot_write_files(pool: Pool) -> None:
    place = Path("/tmp/kinote-written-by-a-codec")
    with pytest.raises(FrameError):
        pool.decode(b"write", FRAME, "1.2")
    assert not place.exists() or not place.stat().st_size
    place.unlink(missing_ok=True)


def test_a_frame_that_did_harm_is_not_tried_again() -> None:
    seen: list[Decoded] = []
    with misbehaving(observe=seen.append) as pool:
        for _ in range(3):
            with pytest.raises(OverrunError, match="SIGABRT"):
                pool.decode(b"abort", FRAME, "1.2")
        good(pool)
    assert [each.outcome for each in seen] == ["crashed", "decoded"]


def test_who_waits_for_nothing_frees_the_process() -> None:
    with misbehaving(replace(SHORT, processes=1, seconds=1e6)) as pool:
        gone = threading.Event()
        with ThreadPoolExecutor() as threads:
            hanging = threads.submit(pool.decode, b"hang", FRAME, "1.1", gone.is_set)
            waiting = threads.submit(pool.decode, b"hang", FRAME, "1.2", gone.is_set)
            other = threads.submit(good, pool, "1.3")
            gone.set()
            for cancelled in (hanging, waiting):
                with pytest.raises(DecodingCancelledError):
                    cancelled.result()
            assert other.result().tolist() == [5] * (16 * 8)


def test_who_waits_too_long_is_told_to_try_again() -> None:
    with misbehaving(replace(SHORT, processes=1, seconds=2, longest_wait=0.1)) as pool:
        gone = threading.Event()
        with ThreadPoolExecutor() as threads:
            begun = threading.Event()

            def is_gone() -> bool:
                begun.set()
                return gone.is_set()

            hanging = threads.submit(pool.decode, b"hang", FRAME, "1.1", is_gone)
            begun.wait()
            with pytest.raises(DecodingUnavailableError, match="busy"):
                good(pool)
            gone.set()
            assert hanging.exception() is not None


def test_law_5_a_study_of_bad_frames_does_not_keep_another_waiting() -> None:
    gone = threading.Event()
    with misbehaving(replace(SHORT, seconds=1e6)) as pool, ThreadPoolExecutor(16) as threads:
        with pytest.raises(OverrunError):
            pool.decode(b"abort", FRAME, "bad")
        hanging = [
            threads.submit(pool.decode, b"hang" + bytes(each), FRAME, "bad", gone.is_set)
            for each in range(1, 9)
        ]
        try:
            for _ in range(20):
                good(pool, "good")
            assert not any(each.done() for each in hanging)
        finally:
            gone.set()


def test_processes_that_are_killed_are_replaced(pool: Pool) -> None:
    for _ in range(2):
        good(pool)
        (pid,) = pool.pids[-1:]
        os.kill(pid, signal.SIGKILL)
        good(pool)
        assert pid not in pool.pids
        assert pool.forking_pid is not None
        os.kill(pool.forking_pid, signal.SIGKILL)
        good(pool)


def test_a_forking_process_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its beginning, and later: it is stopped, and neither forks nor kills."""
    hangs_once = (
        "import os, sys, time, pathlib\n"
        f"mark = pathlib.Path({str(tmp_path / 'begun')!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    time.sleep(3600)\n"
        f"os.execv(sys.executable, {[*PROGRAM]!r} + sys.argv[1:])\n"
    )
    pool = Pool(SHORT, program=(sys.executable, "-c", hangs_once))
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(worker, "STARTING", 0.5)
            with pytest.raises(DecodingUnavailableError, match="could not be started"):
                good(pool)
        good(pool)
        first = pool.forking_pid
        assert first is not None
        monkeypatch.setattr(worker, "_ENDING", 0.5)
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(OverrunError, match="was stopped"):
            pool.decode(b"hang", FRAME, "1.2")
        good(pool)
        assert pool.forking_pid not in (None, first)
    finally:
        pool.close()


def test_a_forking_process_that_reads_nothing_holds_nobody() -> None:
    """However much it is told."""
    starter = Starter((sys.executable, "-c", "import time; time.sleep(3600)"))
    try:
        _, channel = starter.start()
        first = starter.pid
        for number in range(10_000):
            starter.kill(number)
        other = starter.start()[1]
        assert starter.pid not in (None, first)
        channel.close()
        other.close()
    finally:
        starter.close()


def test_law_5_where_memory_is_short_the_decoding_processes_go_first(pool: Pool) -> None:
    good(pool)
    for pid in (pool.forking_pid, *pool.pids):
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    assert Path("/proc/self/oom_score_adj").read_text().strip() != "1000"


def test_a_frame_whose_process_was_killed_from_outside_is_tried_again() -> None:
    seen: list[Decoded] = []
    with misbehaving(observe=seen.append) as pool:
        for _ in range(2):
            with pytest.raises(OverrunError, match="killed from outside"):
                pool.decode(b"killed", FRAME, "1.2")
    assert [each.outcome for each in seen] == ["crashed", "crashed"]


def test_law_5_frames_that_take_too_much_memory_together_are_decoded_one_after_the_other() -> None:
    turns = Turns(8, 1000)
    turns.take("a", 0, 600)
    with pytest.raises(DecodingUnavailableError):
        turns.take("b", 0, 600)
    turns.take("c", 0, 400)
    turns.give_back("a", 600)
    turns.give_back("c", 400)
    turns.take("b", 0, 5000)
    with pytest.raises(DecodingUnavailableError):
        turns.take("a", 0, 1)
    turns.give_back("b", 5000)
    turns.take("a", 0, 1000)


def test_small_frames_do_not_keep_a_large_one_waiting_for_ever() -> None:
    turns = Turns(8, 1000)
    turns.take("small", 0, 600)
    with ThreadPoolExecutor() as threads:
        large = threads.submit(turns.take, "large", 60, 600)
        while not turns._waiting:
            threading.Event().wait(0.01)
        with pytest.raises(DecodingUnavailableError):
            turns.take("other", 0, 100)
        turns.give_back("small", 600)
        large.result()
        turns.take("other", 0, 100)


def test_the_forking_process_is_told_no_secrets(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOTE_DATABASE", "postgresql://kinote:secret@db/kinote")
    with misbehaving() as begun:
        good(begun)
        told = Path(f"/proc/{begun.forking_pid}/environ").read_bytes()
    assert b"secret" not in told and b"PYTHONPATH" in told


def test_a_closed_pool_leaves_nothing() -> None:
    with misbehaving() as pool:
        good(pool)
        family = [psutil.Process(pid) for pid in (*pool.pids, pool.forking_pid) if pid]
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    with pytest.raises(DecodingUnavailableError):
        good(pool)


PARENT = f"""
import sys, threading
from kinote.decoding.pool import Pool
from tests.decoding.pools import FRAME, SHORT
from dataclasses import replace
pool = Pool(replace(SHORT, seconds=1e6), program={PROGRAM!r})
pool.decode(b"\\x05", FRAME, "1.2")
print(pool.forking_pid, *pool.pids, flush=True)
threading.Thread(target=pool.decode, args=(b"hang", FRAME, "1.2")).start()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_all_end_with_the_main_process(end: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
    ) as parent:
        assert parent.stdout is not None
        family = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(family) == 2
        parent.send_signal(end)
        _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive


def test_law_5_a_frame_after_a_large_damaged_one_is_decoded() -> None:
    """The area of a large frame is given back by both sides, whatever became of the frame."""
    large = replace(FRAME, rows=4096, columns=4096)
    with misbehaving() as pool:
        with pytest.raises(FrameError, match="a bad"):
            pool.decode(b"error", large, "1.2")
        (pid,) = pool.pids
        assert good(pool).tolist() == [5] * (16 * 8)
        assert pool.pids == [pid]


def test_a_large_frame_leaves_no_memory_behind(pool: Pool) -> None:
    large = replace(FRAME, rows=4096, columns=4096)
    assert pool.decode(b"\x07", large, "1.2").max() == 7
    process = psutil.Process()
    assert not [
        each
        for each in process.memory_maps(grouped=False)
        if "kinote-frame" in each.path and each.size > 16 << 20
    ]
    # The folders of the tests' own databases are no frames.
    assert not [each for each in Path("/dev/shm").iterdir() if each.name.startswith("kinote-frame")]
