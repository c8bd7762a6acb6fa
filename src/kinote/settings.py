"""Settings: `kinote.toml` in the working directory, environment `KINOTE_*`, and what the command line says.

Only `app` and `cli` read them; every room gets its own options.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_FILE = "kinote.toml"
_PREFIX = "KINOTE_"

#: What each setting may be, to end the sentence "It must be …".
_ALLOWED = {
    "data": "the path of a folder",
    "database": "the address of a PostgreSQL database, postgresql://USER:PASSWORD@HOST/NAME, or empty",
    "http_host": "a loopback address such as 127.0.0.1: Kinote has no sign-in yet and listens on loopback "
    "only; put a reverse proxy that authenticates in front of it",
    "http_port": "a whole number from 0 to 65535",
    "allowed_hosts": "host names without scheme and port, separated by commas or as a list",
    "allowed_origins": "origins as browsers name them, https://HOST or https://HOST:PORT, separated by commas "
    "or as a list",
    "log_json": "true or false",
}

#: Settings whose values are not repeated in messages: they may hold a password.
_SECRET = frozenset({"database"})


class SettingsError(ValueError):
    """Settings that cannot be used; the message has a line for each fault, with where it stands."""


def _listed(value: object) -> object:
    """A list in a variable: items with commas between them, or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return tuple(item for item in map(str.strip, value.split(",")) if item)


def _named(value: object) -> object:
    if value == "":
        raise ValueError("no path")
    return value


def _postgresql(address: str) -> str:
    """An address that names a PostgreSQL database; the driver is ours to choose."""
    try:
        if address and make_url(address).get_backend_name() != "postgresql":
            raise ValueError("not PostgreSQL")
    except ArgumentError as error:
        raise ValueError("no address") from error
    return address


def _loopback(host: str) -> str:
    # Without sign-in, whoever reaches the port can read and change everything.
    if host != "localhost" and not _address(host, loopback=True):
        raise ValueError("not loopback")
    return host


def _host_name(name: str) -> str:
    """A host name as it is compared with: what a Host header says before the port."""
    if not _address(name) and (not name or set(name) & set(" /:@?#[]")):
        raise ValueError("no host name")
    return name


def _origin(text: str) -> str:
    """An origin as a browser serializes it: in lower case, without the port that goes without saying."""
    parts = urlsplit(text.strip().lower().removesuffix("/"))
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname or parts.geturl() != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("no origin")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    if parts.username is not None or set(host) & set(" *,"):
        raise ValueError("no origin")
    return f"{parts.scheme}://{host}{port}"


def _address(text: str, *, loopback: bool = False) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback or not loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """All settings of a Kinote server."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, toml_file=_FILE, extra="forbid")

    data: Annotated[Path, BeforeValidator(_named)] = Field(
        Path("kinote-data"), description="The data directory: everything Kinote keeps."
    )
    database: Annotated[str, AfterValidator(_postgresql)] = Field(
        "", description="Address of a PostgreSQL database; empty for SQLite in the data directory."
    )
    http_host: Annotated[str, AfterValidator(_loopback)] = Field(
        "127.0.0.1", description="The address the HTTP face listens on; loopback only."
    )
    http_port: int = Field(8080, ge=0, le=65535, description="The port of the HTTP face; 0 takes a free one.")
    allowed_hosts: Annotated[
        tuple[Annotated[str, AfterValidator(_host_name)], ...], NoDecode, BeforeValidator(_listed)
    ] = Field((), description="Further host names by which browsers may reach it.")
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_listed)
    ] = Field((), description="Origins of further pages that may change things through it.")
    log_json: bool = Field(False, description="Write the log as JSON lines instead of text.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(**given: Any) -> Settings:
    """The settings that hold, with those `given` on the command line. Raises `SettingsError`."""
    file = Path(_FILE).absolute()
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = [_fault(found, given, file) for found in error.errors()]
        # A list of which several items are wrong has one line for each of them.
        raise SettingsError("\n".join(dict.fromkeys(faults))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no valid TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


def _fault(found: ErrorDetails, given: Mapping[str, Any], file: Path) -> str:
    name = str(found["loc"][0])
    if name not in _ALLOWED:
        return f"{_place(name, given, file)}: {_unknown(name)}"
    value = "This value" if name in _SECRET else repr(found["input"])
    return f"{_place(name, given, file)}: {value} is refused. It must be {_ALLOWED[name]}."


def _unknown(name: str) -> str:
    alike = difflib.get_close_matches(name, _ALLOWED, n=1)
    hint = f" Did you mean {alike[0]}?" if alike else ""
    return f"There is no such setting.{hint} The settings are {', '.join(_ALLOWED)}."


def _place(name: str, given: Mapping[str, Any], file: Path) -> str:
    """Where the value of a setting comes from: the first of its places that has one."""
    if name in given:
        return f"--{name.replace('_', '-')}"
    variable = f"{_PREFIX}{name}".upper()
    for known in os.environ:
        if known.upper() == variable:
            return f"{known} in the environment"
    return f"{name} in {file}"
