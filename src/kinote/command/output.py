"""What commands print, and how they end."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# A terminal breaks lines by itself; in a pipe or a file they are whole, for whoever reads them by lines.
out = Console(soft_wrap=True)
errors = Console(stderr=True)

#: Exit statuses: a command could not be done, or not all of it; it was typed wrongly, or a setting is wrong.
FAILED, USAGE = 1, 2


def progress() -> Progress:
    """A bar for what takes long, on standard error, gone when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def fail(message: str, status: int = FAILED) -> NoReturn:
    """End the command: what could not be done and why, a line each."""
    for line in message.splitlines():
        errors.print(f"kinote: {line}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(status)
