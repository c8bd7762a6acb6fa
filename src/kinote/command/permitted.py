"""Where a command begins: its right is looked at before anything of it is done.

Every command is of the class of this file; `Commands` sees to that. Needs the base package only, for `kinote check`.
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

#: Whoever can run a command on the files of a store may do everything with them.
_POLICY = Policy(rights_of=lambda actor: frozenset())


def begin(command: str, policy: Policy = _POLICY) -> None:
    """See whether the user may run this command, by what is typed after `kinote`; end the program where not."""
    try:
        policy.require(command_actor(user()), right_of_command(command))
    except (NotAllowedError, UnlistedError) as error:
        fail(str(error))


class PermittedCommand(TyperCommand):
    """A command that begins here."""

    def invoke(self, ctx: Any) -> Any:
        begin(typed(ctx))
        return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of commands, each of which begins here."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        return super().command(name, cls=PermittedCommand, **options)


def typed(context: Any) -> str:
    """What was typed after `kinote`, groups included, e.g. `jobs list`."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name)
        context = context.parent
    return " ".join(words)
