"""Reads the settings: `kinote.toml` in the working directory or another file, environment and command line.

Only `app` and `command` do; every room gets its own options.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from kinote.settings.allowed import ALLOWED, ALLOWED_OF_ITEMS, ITEMS
from kinote.settings.contradictions import ContradictionsError
from kinote.settings.model import FILE, PREFIX, Settings

#: Command line options whose names differ from their settings.
_OPTIONS = {"ae_titles": "--ae-title"}

#: Settings, and parts of items, whose values are not repeated in messages, because they may contain a password.
_SECRET = frozenset({"database", "smtp_password", "alert_webhooks", "url", "secret"})


class SettingsError(ValueError):
    """Settings that cannot be used. The message has a line for each fault, with its place."""


def read_settings(config: Path | None = None, /, **given: Any) -> Settings:
    """Return the effective settings, including those `given` on the command line. Raises `SettingsError`.

    `config` is the file to read in place of the one in the working directory. It must be there.
    """
    file = (config or Path(FILE)).absolute()
    try:
        if config is None:
            return Settings(**given)
        with file.open("rb"):
            pass
        return _of_file(file)(**given)
    except ValidationError as error:
        faults = [fault for found in error.errors() for fault in _faults(found, given, file)]
        # A list with several wrong items has one line for each of them.
        raise SettingsError("\n".join(dict.fromkeys(faults))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no valid TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


def _of_file(file: Path) -> type[Settings]:
    """Return settings that are read from this file."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FromFile


def _faults(found: ErrorDetails, given: Mapping[str, Any], file: Path) -> Iterator[str]:
    """Return the lines about a fault, each with its place."""
    contradictions = found.get("ctx", {}).get("error")
    if isinstance(contradictions, ContradictionsError):
        for name, what in contradictions.faults:
            yield f"{_place(name, given, file)}: {what}"
        return
    name, *inner = map(str, found["loc"])
    yield f"{_place(name, given, file)}: {_fault(name, inner, found)}"


def _fault(name: str, inner: list[str], found: ErrorDetails) -> str:
    if name not in ALLOWED:
        return _unknown(name)
    if name in ITEMS and len(inner) > 1:
        return _fault_of_item(name, int(inner[0]) + 1, inner[1], found)
    value = "This value" if name in _SECRET else repr(found["input"])
    return f"{value} is refused. It must be {ALLOWED[name]}."


def _fault_of_item(name: str, number: int, part: str, found: ErrorDetails) -> str:
    item, parts = ITEMS[name], ALLOWED_OF_ITEMS[name]
    if part not in parts:
        return f"{item.capitalize()} {number} has {part}, which is no part of one. The parts are {', '.join(parts)}."
    if found["type"] == "missing":
        return f"{item.capitalize()} {number} has no {part}. It must be {parts[part]}."
    value = "this value" if part in _SECRET else repr(found["input"])
    return f"{part} of {item} {number}: {value} is refused. It must be {parts[part]}."


def _unknown(name: str) -> str:
    alike = difflib.get_close_matches(name, ALLOWED, n=1)
    hint = f" Did you mean {alike[0]}?" if alike else ""
    return f"There is no such setting.{hint} The settings are {', '.join(ALLOWED)}."


def _place(name: str, given: Mapping[str, Any], file: Path) -> str:
    """Return where the value of a setting comes from: the first of its places that has one."""
    if name in given:
        return _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    variable = f"{PREFIX}{name}".upper()
    for known in os.environ:
        if known.upper() == variable:
            return f"{known} in the environment"
    return f"{name} in {file}"
