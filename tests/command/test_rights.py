"""Every command takes its right before anything of it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from kinote.command.main import app
from kinote.command.permitted import PermittedCommand, begin
from kinote.command.store.client import Client, ServerError
from kinote.security import rights
from kinote.security.rights import MEANINGS, Right
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.policies import denying
from tests.web.conftest import rooms, running

__all__ = ["rooms"]


def commands(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands, those of groups too, by what is typed after `kinote`."""
    command = command or typer.main.get_command(app)
    if not isinstance(command, TyperGroup):
        yield " ".join(words), command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, (*words, name))


COMMANDS = dict(commands())

#: Parameters that take one of a few words.
_WORDS = {"act": "quality", "decision": "keep first"}


def run(name: str, folder: Path) -> tuple[int, str]:
    """Type a command with as many arguments as it needs; its exit status and what it says."""
    needed: list[str] = []
    for parameter in COMMANDS[name].params:
        if parameter.required:
            option = [parameter.opts[0]] if parameter.opts[0].startswith("-") else []
            needed += [*option, _value(name, str(parameter.name))]
    options = [option.opts[0] for option in COMMANDS[name].params if option.name == "data"]
    data = [options[0], str(folder)] if options else []
    done = CliRunner().invoke(app, [*name.split(), *needed, *data])
    return done.exit_code, done.output


def _value(name: str, parameter: str) -> str:
    """What a parameter takes: a number, one of the words that there are, or anything."""
    if parameter in _WORDS:
        return _WORDS[parameter]
    if (name, parameter) == ("retention hold", "kind"):
        return "legal"
    numbered = name.split()[0] in {
        "jobs",
        "alerts",
        "deliveries",
        "retention",
        "held",
        "notices",
        "purges",
        "rejections",
        "tokens",
        "withdrawals",
    }
    return "1" if numbered and "kind" not in parameter else "1.2.3"


def test_the_table_has_every_command_and_no_other() -> None:
    assert set(COMMANDS) == set(rights.COMMANDS)


def test_every_command_begins_in_one_place() -> None:
    assert [name for name, command in COMMANDS.items() if not isinstance(command, PermittedCommand)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_breach_a_command_whose_right_is_removed_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(rights.COMMANDS, name)
    status, said = run(name, tmp_path / "data")
    assert (status, f"kinote {name} has no right" in said) == (1, True), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_its_right_and_no_other(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    right = rights.right_of_command(name)
    begin(name, denying(*set(Right) - {right}))
    with pytest.raises(SystemExit) as ended:
        begin(name, denying(right))
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"kinote: This requires the right {right}: to {MEANINGS[right]}.\n"


def test_what_the_server_denies_a_command_is_told_to_its_user(rooms: Rooms) -> None:
    with running(create_application(replace(rooms, policy=denying(Right.EXAMINE)))) as address:
        client = Client(address, httpx.HTTPTransport())
        with pytest.raises(ServerError, match="This requires the right examine"):
            client.get("/api/v1/studies/1.2/account")
        client.close()
