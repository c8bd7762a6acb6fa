"""The output of commands, and their exit status."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# A terminal wraps lines. In a pipe or a file they stay whole, for programs that read lines.
out = Console(soft_wrap=True)
errors = Console(stderr=True)

#: Exit statuses: not done, or not completely; wrong usage or a wrong setting.
FAILED, USAGE = 1, 2


def progress() -> Progress:
    """Return a progress bar on standard error, removed at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def fail(message: str, status: int = FAILED) -> NoReturn:
    """End the command. Print what could not be done and why, a line each."""
    for line in message.splitlines():
        errors.print(f"kinote: {line}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(status)
