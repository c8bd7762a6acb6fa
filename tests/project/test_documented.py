"""Whatever a user can name is documented, and whatever the documents name is there."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from pydicom.datadict import keyword_for_tag
from starlette.exceptions import HTTPException
from starlette.routing import Route
from typer.core import TyperArgument, TyperGroup, TyperOption

from kinote.app import JOB_KINDS
from kinote.catalog.changes import Kind
from kinote.catalog.queries.matching_keys import MATCHED
from kinote.catalog.transactions.catalog import Catalog
from kinote.command.main import app
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.lifecycle.acts import ACTS, Act
from kinote.notes.acts.request import NoteRefusedError
from kinote.settings.model import Settings
from kinote.telemetry.registry import REGISTRY
from kinote.web import problem_table, problems
from kinote.web.application import Rooms, create_application
from kinote.web.dicomweb import search
from tests.actors import OPEN
from tests.clock import clock
from tests.project.pages import PAGES, blocks, first_names, names, rows, sections
from tests.project.sources import PACKAGE, ROOT

#: Nothing is asked of the rooms: only the application's own description of itself is read.
APPLICATION = create_application(
    Rooms(cast(Catalog, None), cast(Receiver, None), cast(Door, None), clock=clock, policy=OPEN)
)


def _commands(command: Any, name: str = "kinote") -> Iterator[tuple[str, Any]]:
    """All commands by what is typed. Their classes are typer's own business, so they are not named."""
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for called, inner in command.commands.items():
        yield from _commands(inner, f"{name} {called}")


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _words(parameter: Any) -> list[str]:
    """How a parameter is written: the names of an option, an argument in capitals."""
    if isinstance(parameter, TyperArgument):
        return [str(parameter.name).upper()]
    return [*parameter.opts, *parameter.secondary_opts]


def _operations() -> dict[str, list[dict[str, Any]]]:
    """Every request the server answers, e.g. `GET /api/v1/notes`, with the parameters OpenAPI lists."""
    found: dict[str, list[dict[str, Any]]] = {}
    for route in APPLICATION.routes:
        if isinstance(route, Route):
            path = route.path.replace(":path}", "}")
            found |= {f"{method} {path}": [] for method in (route.methods or set()) - {"HEAD"}}
    for path, operations in APPLICATION.openapi()["paths"].items():
        found |= {f"{name.upper()} {path}": told.get("parameters", []) for name, told in operations.items()}
    return found


def _documented_operations() -> dict[str, str]:
    """What docs/http.md lists, and the cell beside it."""
    return {
        row[0].strip("`"): row[1]
        for text in sections("http.md").values()
        for row in rows(text)
        if re.match(r"`[A-Z]+ /", row[0])
    }


def test_every_setting_is_documented_with_its_variable_option_and_default() -> None:
    options = {
        parameter.name: parameter.opts[0]
        for parameter in COMMANDS["kinote serve"].params
        if isinstance(parameter, TyperOption)
    }
    found = {}
    for row in rows(sections("settings.md")["All settings"]):
        (name,), (variable,), option, (default,) = names(row[0]), names(row[1]), names(row[2]), names(row[3])
        value = tomllib.loads(f"{name} = {default}")[name]
        found[name] = (variable, option, getattr(Settings.model_validate({name: value}), name))
    prefix = Settings.model_config["env_prefix"]
    assert found == {
        name: (
            f"{prefix}{name}".upper(),
            [options[name]] if name in options else [],
            field.get_default(call_default_factory=True, validated_data={}),
        )
        for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_settings_in_examples_are_settings(page: Path) -> None:
    for block in blocks(page, "toml"):
        Settings.model_validate(tomllib.loads(block))
    known = {f"{Settings.model_config['env_prefix']}{name}".upper() for name in Settings.model_fields}
    # Those that only scripts and tests read.
    known |= {"KINOTE_TEST_DATA"}
    assert set(re.findall(r"KINOTE_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))) - known == set()


def test_every_command_is_documented() -> None:
    documented = {heading for heading in sections("commands.md") if heading.startswith("kinote ")}
    assert documented == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_documented(name: str) -> None:
    parameters = [parameter for parameter in COMMANDS[name].params if parameter.name != "help"]
    documented = [word.split()[0] for word in first_names(sections("commands.md")[name])]
    assert sorted(documented) == sorted(word for parameter in parameters for word in _words(parameter))
    assert COMMANDS[name].help
    assert [parameter.name for parameter in parameters if not getattr(parameter, "help", None)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_examples_can_be_typed(page: Path) -> None:
    lines = [line for block in blocks(page) for line in block.splitlines()]
    for line in lines:
        typed = re.match(r"(?:KINOTE_\S+ )*(?:python -m )?(kinote (?:(?!-)\S+ ?)*)", line.strip())
        if typed is None:
            continue
        words = typed[1].split()
        command = next(
            (known for at in range(len(words), 1, -1) if (known := COMMANDS.get(" ".join(words[:at])))), None
        )
        assert command is not None, line
        known_options = {word for parameter in command.params for word in _words(parameter)}
        assert set(re.findall(r"(?<= )--[\w-]+", line)) - known_options - {"--help"} == set(), line


def test_every_request_is_documented() -> None:
    assert set(_documented_operations()) == set(_operations())


def test_every_parameter_of_the_rest_api_is_documented() -> None:
    documented = {
        request: {
            *(("query", name) for name in re.findall(r"`([\w-]+)=[^`]*`", cell)),
            *(("header", name.lower()) for name in re.findall(r"`([A-Z][\w-]+):[^`]*`", cell)),
        }
        for request, cell in _documented_operations().items()
        if " /api/v1/" in request
    }
    known = {
        request: {
            (told["in"], told["name"].lower() if told["in"] == "header" else told["name"])
            for told in parameters
            if told["in"] != "path"
        }
        for request, parameters in _operations().items()
        if " /api/v1/" in request
    }
    assert documented == known


def test_the_rest_api_describes_its_query_parameters() -> None:
    bare = [
        f"{request}: {told['name']}"
        for request, parameters in _operations().items()
        for told in parameters
        if told["in"] == "query" and not told.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_addresses_in_examples_are_there(page: Path) -> None:
    patterns = [
        re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(request.split()[1])))
        for request in _operations()
    ]
    text = "\n".join(blocks(page))
    paths = re.findall(r"""(/(?:api|dicomweb|fhir|healthz|readyz|metrics)\b[^\s?"'`]*)""", text)
    assert [path for path in paths if not any(known.fullmatch(path) for known in patterns)] == []


def test_every_parameter_of_dicomweb_is_documented() -> None:
    read = {
        name
        for path in (
            *(PACKAGE / "web" / "dicomweb").rglob("*.py"),
            PACKAGE / "web" / "bodies" / "negotiation.py",
        )
        for name in _parameters_read(path)
    }
    assert set(first_names(sections("http.md")["Parameters of DICOMweb"])) == read | search._OWN


def _parameters_read(path: Path) -> Iterator[str]:
    """The names by which a file takes values out of the query of a request.

    They are read as `parameters.get("limit")` or `_whole(parameters, "limit")`.
    """
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and call.args:
            source = call.func.value if isinstance(call.func, ast.Attribute) else call.args[0]
            name = call.args[0] if isinstance(call.func, ast.Attribute) else call.args[-1]
            if _is_query(source) and isinstance(name, ast.Constant):
                yield str(name.value)


def _is_query(source: ast.expr) -> bool:
    if isinstance(source, ast.Attribute):
        return source.attr == "query_params"
    return isinstance(source, ast.Name) and source.id == "parameters"


def test_every_matching_key_is_documented_at_its_level() -> None:
    documented = {
        (key, row[1]) for row in rows(sections("http.md")["Matching keys"]) for key in names(row[0])
    }
    assert documented == {
        (".".join(map(keyword_for_tag, path)), attribute.level.name.lower())
        for path, attribute in MATCHED.items()
    }


def _kinds_of_problems() -> Iterator[problems.RequestError | type[problems.RequestError]]:
    waiting: list[type[problems.RequestError]] = [problems.RequestError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting.extend(kind.__subclasses__())


def test_every_type_of_problem_is_documented_with_its_status() -> None:
    known = {(kind.name, int(kind.status)) for kind in _kinds_of_problems()}
    known |= {(name, int(status)) for _, status, name, _ in problem_table._TABLE}
    answered = (problem_table.problem_of(error) for error in (NoteRefusedError([]), HTTPException(405)))
    known |= {(found.name, int(found.status)) for found in (problems.FAULT, *answered) if found}
    table = rows(sections("http.md")["Problems"])
    assert {(names(row[0])[0], int(row[1])) for row in table} == known


def test_every_kind_of_change_is_documented() -> None:
    documented = set(first_names(sections("http.md")["Change feed"])) - set(_operations())
    assert documented == set(Kind)


def test_every_kind_of_job_is_documented() -> None:
    documented = rows(sections("http.md")["Jobs"])
    assert {names(row[0])[0]: row[2] for row in documented if len(row) == 3 and " /api/" not in row[0]} == {
        kind.name: str(kind.at_once) for kind in JOB_KINDS
    }


def test_every_act_is_documented_with_its_consequences() -> None:
    def shown(act: Act) -> list[str]:
        title = act.rejection_title.value if act.rejection_title else "none"
        undo = f"{act.undo_window // timedelta(minutes=1)} min" if act.undo_window else "none"
        may_be_shown = "yes" if act.may_be_shown else "no"
        return [
            f"`{act}`",
            act.sentence,
            act.reason.value,
            title,
            str(act.later_copies),
            undo,
            may_be_shown,
        ]

    documented = rows(sections("http.md")["Acts of withdrawal"])
    assert [list(row) for row in documented if len(row) == 7] == [shown(act) for act in ACTS]


def test_every_metric_is_documented() -> None:
    # A metric is there once its file has been read: here, all files that have any.
    for path in PACKAGE.rglob("*.py"):
        if "registry=REGISTRY" in path.read_text(encoding="utf-8"):
            import_module(".".join(("kinote", *path.relative_to(PACKAGE).with_suffix("").parts)))
    exposed = {metric.name + ("_total" if metric.type == "counter" else "") for metric in REGISTRY.collect()}
    assert set(first_names(sections("http.md")["Metrics"])) == exposed


def test_every_page_is_linked_from_the_first_one() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} - linked == set()
