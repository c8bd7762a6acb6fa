"""Kills a product right before and right after each of its commits, and looks each time at what is left.

    python -m tests.laws.killed_at_commits FOLDER EVERY

It goes through every commit of a life that has something of everything, or through each of so many. Each life and each
look is a process of its own, forked from this one, which has no threads and has imported everything.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kinote.catalog.transactions.commits import Commits
from tests.actors import ORIGIN
from tests.laws.arrivals import FIRST, FRAMES, LARGE, SECOND, Image, KeyObject, flag, image_uid
from tests.laws.life import Life
from tests.laws.living_product import FROM_ARCHIVE, UNDO_WINDOW, LivingProduct, open_sink

#: The moments of a commit at which a process is killed.
MOMENTS = ("before", "after")


@contextlib.contextmanager
def _killed_at(number: int, moment: str) -> Iterator[None]:
    """Be killed at this commit of the block, counted from 1."""
    transaction = Commits.transaction
    commits = 0

    @contextlib.contextmanager
    def counting(self: Commits) -> Iterator[None]:
        nonlocal commits
        with transaction(self):
            yield
            commits += 1
            if (commits, moment) == (number, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
        if commits == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Commits.transaction = counting  # type: ignore[method-assign]
    try:
        yield
    finally:
        Commits.transaction = transaction  # type: ignore[method-assign]


@contextlib.contextmanager
def _life(data: Path) -> Iterator[Life]:
    with open_sink() as (sink, entity):
        product = LivingProduct(f"sqlite:///{data / 'kinote.sqlite'}", data, [entity])
        try:
            yield Life(product, sink)
        finally:
            product.close()


def _acts(life: Life) -> Iterator[Callable[[], Any]]:
    """A life with something of everything: sent, made, withdrawn, rejected, purged, and jobs."""
    product = life.product
    yield lambda: life.receive(Image(FIRST, 1), Image(FIRST, LARGE), Image(FIRST, FRAMES), origin=ORIGIN)
    yield lambda: life.receive(
        KeyObject(FIRST, 1, (flag(image_uid(FIRST, 1)),)), KeyObject(FIRST, 2, (), broken=True), origin=ORIGIN
    )
    yield lambda: life.make([image_uid(FIRST, 1)], "a note")
    yield lambda: life.make([image_uid(FIRST, LARGE)], "another")
    yield lambda: life.revise(lambda those: those[0], [image_uid(FIRST, FRAMES)], "revised")
    yield lambda: life.move(FIRST, takes=1000, loses_answers=False, prompt=True)
    yield lambda: life.withdraw("quality", key="first", repeats=True, instances=[image_uid(FIRST, LARGE)])
    yield lambda: life.withdraw("quality", key="second", repeats=False, instances=[image_uid(FIRST, 1)])
    yield lambda: life.undo(lambda those: those[-1])
    yield lambda: life.receive(
        KeyObject(SECOND, 11, (flag(image_uid(FIRST, FRAMES)),), kind="safety"), origin=FROM_ARCHIVE
    )
    yield lambda: life.make_derivable(lambda those: those[0])
    yield life.ask_for_jobs
    for _ in range(2):
        yield lambda: _work(life)
    yield lambda: product.pass_time(UNDO_WINDOW * 2)
    yield life.close_windows
    yield lambda: product.pass_time(timedelta(days=2))
    yield life.reap
    yield lambda: life.receive(Image(FIRST, LARGE), Image(FIRST, FRAMES), origin=ORIGIN)
    yield lambda: life.withdraw("retention expired", key="third", repeats=False, studies=[FIRST])
    yield lambda: product.pass_time(timedelta(days=1))
    yield life.close_windows
    yield life.reap


def _work(life: Life) -> None:
    leased = life.claim("worker")
    if leased is not None:
        life.work(leased)


def _begins(data: Path) -> None:
    """Make an empty product."""
    with _life(data):
        pass


def _lives(data: Path, number: int, moment: str) -> None:
    """Live, and keep beside the index what was promised after each act."""
    with _life(data) as life, _killed_at(number, moment):
        for act in _acts(life):
            act()
            life.hold()
            kept = pickle.dumps((life.promises, life.withdrawals))
            (data / "promises.new").write_bytes(kept)
            (data / "promises.new").rename(data / "promises")


def _looks(data: Path) -> None:
    """Open what a kill has left: recovery, all laws, each job to its end, and all that is marked to its purge."""
    with _life(data) as life:
        if (data / "promises").exists():
            life.promises, withdrawals = pickle.loads((data / "promises").read_bytes())
            rows = {row.id for row in life.product.rows("SELECT id FROM withdrawal")}
            assert set(withdrawals) <= rows, "an acknowledged withdrawal is lost"
        life.hold()
        life.end()


def _in_a_process(work: Callable[[], None]) -> int:
    """Do it in a process of its own: 0, 1 for a failure, or minus the signal that ended it."""
    process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def main(folder: Path, every: int) -> None:
    template = folder / "template"
    template.mkdir(parents=True)
    assert _in_a_process(partial(_begins, template)) == 0
    number, kills = 1, 0
    while True:
        for moment in MOMENTS if every == 1 else MOMENTS[kills % 2 : kills % 2 + 1]:
            data = folder / f"{number}-{moment}"
            shutil.copytree(template, data)
            ended = _in_a_process(partial(_lives, data, number, moment))
            if ended == 0:
                print(f"{number - 1} commits, {kills} kills")
                return
            assert ended == -signal.SIGKILL, f"it failed before it was killed {moment} commit {number}"
            assert _in_a_process(partial(_looks, data)) == 0, f"killed {moment} commit {number}"
            kills += 1
            shutil.rmtree(data)
        number += every


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
