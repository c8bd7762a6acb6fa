"""The start of a command: its right is checked before it does anything.

Every command is of this file's class, which `Commands` ensures. Needs the base package only, for `kinote check`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from kinote.command.output import fail
from kinote.command.user import user
from kinote.security.actors import command_actor
from kinote.security.policy import NotAllowedError, Policy
from kinote.security.rights import UnlistedError, right_of_command

Function = TypeVar("Function", bound=Callable[..., Any])

#: A user who can run commands on the files of a store has full access to them.
_POLICY = Policy(rights_of=lambda actor: frozenset())


def begin(command: str, policy: Policy = _POLICY) -> None:
    """Check that the user may run this command, given as typed after `kinote`. Otherwise end the program."""
    try:
        policy.require(command_actor(user()), right_of_command(command))
    except (NotAllowedError, UnlistedError) as error:
        fail(str(error))


class PermittedCommand(TyperCommand):
    """A command whose right is checked before it runs."""

    def invoke(self, ctx: Any) -> Any:
        begin(typed(ctx))
        return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of commands of this class."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        return super().command(name, cls=PermittedCommand, **options)


def typed(context: Any) -> str:
    """Return the command as typed after `kinote`, with its groups, e.g. `jobs list`."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name)
        context = context.parent
    return " ".join(words)
