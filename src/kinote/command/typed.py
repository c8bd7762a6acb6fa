"""Shared syntax of commands, and the start of those that need the packages of the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import kinote
from kinote.command.output import fail

if TYPE_CHECKING:
    from kinote.command.store.begun import Begun

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data directory. [default: ./kinote-data]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


#: The file with settings given before the command; None for the one in the working directory.
CONFIG: ContextVar[Path | None] = ContextVar("config", default=None)


@contextmanager
def begin(**given: Any) -> Iterator[Begun]:
    """Start a command. All but `check` start here."""
    try:
        from kinote.command.store.begun import begun

        with begun(CONFIG.get(), **given) as command:
            yield command
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == kinote.__name__:
            raise
        fail(
            f"This command needs the packages of the server, of which {error.name} is missing. "
            "Install them with: pip install 'kinote[server]'"
        )
