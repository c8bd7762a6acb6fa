"""Settings: `kinote.toml` in the working directory, environment `KINOTE_*`, and what the command line says.

Only `app` and `cli` read them; every room gets its own options.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """All settings of a Kinote server."""

    model_config = SettingsConfigDict(env_prefix="KINOTE_", toml_file="kinote.toml", extra="forbid")

    data: Path = Field(Path("kinote-data"), description="The data directory: everything Kinote keeps.")
    database: str = Field(
        "", description="Address of a PostgreSQL database; empty for SQLite in the data directory."
    )
    http_host: str = Field("127.0.0.1", description="The address the HTTP face listens on; loopback only.")
    http_port: int = Field(8080, ge=0, le=65535, description="The port of the HTTP face; 0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Further host names by which browsers may reach it."
    )
    log_json: bool = Field(False, description="Write the log as JSON lines instead of text.")

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        # Without sign-in, whoever reaches the port can read and change everything.
        if self.http_host != "localhost" and not _is_loopback(self.http_host):
            raise ValueError(
                f"http_host: {self.http_host} is not a loopback address. Kinote has no sign-in yet and "
                "listens on loopback only; put a reverse proxy that authenticates in front of it."
            )
        return self

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


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
