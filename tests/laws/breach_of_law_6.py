"""Kinote with law 6 broken on purpose: `python -m tests.laws.breach_of_law_6 BREACH ARGUMENTS…`.

What a breach puts off never happens: whoever watches need not be quicker than it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, BinaryIO

import pytest

from kinote.catalog.sql import dialects
from kinote.catalog.transactions import catalog as transactions
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import Commits
from kinote.catalog.transactions.waiting_work import Piece
from kinote.command import main
from kinote.command.serving import running as serve_module
from kinote.command.store.client import Client
from kinote.intake.outcome import Outcome
from kinote.intake.syncing import Syncers
from kinote.scp.receiving import processes
from kinote.storage import files
from kinote.storage.aligned_file import AlignedFile
from kinote.storage.packs.adding import PackWriter


def _put(owner: object, name: str, instead: object) -> None:
    """Put something in the place of what the product does."""
    setattr(owner, name, instead)


def data_is_not_synced() -> None:
    _put(AlignedFile, "finish", _written_only)


def _written_only(file: AlignedFile) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda _: None)
        _finish(file)


_finish = AlignedFile.finish


def packs_are_not_synced() -> None:
    add = PackWriter.add

    def hurry(writer: PackWriter, objects: Any) -> list[int]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fdatasync", lambda _: None)
            return add(writer, objects)

    _put(PackWriter, "add", hurry)


def data_is_synced_later() -> None:
    def later(_syncers: Syncers, file: Any, then: Callable[[None], None]) -> None:
        _written_only(file._file)
        then(None)

    _put(Syncers, "sync", later)


def names_are_not_synced() -> None:
    _put(files, "sync_folder", lambda _: None)


def a_receiver_process_does_not_sync() -> None:
    _put(processes, "PROGRAM", (sys.executable, "-P", "-m", "tests.laws.breach_in_receiver"))


def commits_are_not_synced() -> None:
    prepare = dialects._prepare_sqlite

    def hurry(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous = NORMAL")

    _put(dialects, "_prepare_sqlite", hurry)


def told_before_the_commit() -> None:
    serving = threading.Event()
    pause = threading.Event()
    serve = serve_module.serve
    write = Catalog._commit_group

    def commit_group(catalog: Catalog, commits: Commits, group: list[Piece]) -> None:
        if not serving.is_set():
            # It has to write what makes it open.
            write(catalog, commits, group)
            return
        for piece in group:
            _tell_and_take_back(commits, piece, pause)

    def served(*arguments: Any) -> None:
        serving.set()
        serve(*arguments)

    _put(Catalog, "_commit_group", commit_group)
    _put(serve_module, "serve", served)


def _tell_and_take_back(commits: Commits, piece: Piece, pause: threading.Event) -> None:
    """Tell what came of a piece of work, and roll it back: no commit comes behind what was told."""
    with suppress(_TakenBackError), commits.transaction():
        try:
            result = piece.work(commits.connection)
        except Exception as failure:
            transactions._settle(piece, None, failure)
        else:
            transactions._settle(piece, result, None)
            # The server writes for itself, too, and would at once do again what is not there.
            pause.wait(1)
        raise _TakenBackError


class _TakenBackError(Exception):
    """Work was told, and is not committed."""


def reported_before_the_answer() -> None:
    def store(_client: Client, _file: BinaryIO) -> Future[Outcome]:
        done: Future[Outcome] = Future()
        done.set_result(Outcome("stored"))
        return done

    _put(Client, "store", store)


BREACHES: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        data_is_not_synced,
        packs_are_not_synced,
        data_is_synced_later,
        names_are_not_synced,
        a_receiver_process_does_not_sync,
        commits_are_not_synced,
        told_before_the_commit,
        reported_before_the_answer,
    )
}

if __name__ == "__main__":
    BREACHES[sys.argv.pop(1)]()
    main.main()
