"""All settings, with their defaults. Each room gets its own options from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kinote.alerting.channels import AlertOptions
from kinote.backup.running import BackupOptions
from kinote.decoding.options import DecodingOptions
from kinote.dimse.transport.tls import TlsOptions
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.rejection.rules import RejectionRules
from kinote.memory.shared import default_size
from kinote.peers.peer import WantedPeer
from kinote.scp.options import ScpLimits, ScpOptions, UserIdentities
from kinote.security.actors import Actor
from kinote.settings.alerts import AlertSettings
from kinote.settings.contradictions import ContradictionsError, contradictions_of, is_guarded_by_certificates
from kinote.settings.known_systems import DestinationSettings, EntitySettings, Title
from kinote.settings.openid import OpenIdSettings
from kinote.settings.rejections import RefusedCopySettings, RejectionSettings, rejection_rules
from kinote.settings.routes import RouteSettings
from kinote.settings.values import (
    audit_name,
    host_name,
    is_loopback,
    is_wildcard,
    listed,
    listening_host,
    named,
    network,
    no_file,
    no_folder,
    none_if_empty,
    origin,
    postgresql,
    some,
    syslog_host,
    tables,
)
from kinote.web.connections.limits import ConnectionLimits

#: Where settings are read from.
FILE = "kinote.toml"

PREFIX = "KINOTE_"

_HTTP = ConnectionLimits()

_DICOM = ScpLimits()

_File = Annotated[Path | None, AfterValidator(no_folder), BeforeValidator(none_if_empty)]

_Port = Annotated[int, Field(ge=0, le=65535)]

_Days = Annotated[
    Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)] | None, BeforeValidator(none_if_empty)
]


class Settings(AlertSettings, OpenIdSettings):
    """All settings of a Kinote server."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, toml_file=FILE, extra="forbid")

    data: Annotated[Path, BeforeValidator(named)] = Field(
        Path("kinote-data"), description="The data directory: everything Kinote keeps."
    )
    database: Annotated[str, AfterValidator(postgresql)] = Field(
        "", description="Address of a PostgreSQL database; empty for SQLite in the data directory."
    )
    database_connections: int = Field(
        24, ge=6, le=1000, description="Connections to PostgreSQL that this server takes at most."
    )
    scrub_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days within which all stored bytes are read and compared; 0 for never.",
    )
    authorization_folder: Annotated[Path | None, AfterValidator(no_file), BeforeValidator(none_if_empty)] = (
        Field(
            None,
            description="Folder with a file for each DICOMweb peer, of its name: the header Authorization for it.",
        )
    )
    backup_folder: Annotated[Path | None, AfterValidator(no_file), BeforeValidator(none_if_empty)] = Field(
        None, description="The folder that backups are made in, on another disk; empty for none."
    )
    backup_hours: int = Field(
        24, ge=0, le=8760, description="Hours between two backups; 0 for none that are made by themselves."
    )
    backup_keep: int = Field(7, ge=1, le=1000, description="How many backups are kept.")
    backup_images: bool = Field(
        False,
        description="Whether backups have the files of images, and not only what the index and packs have.",
    )
    purge_after: _Days = Field(
        None, description="Days after which the bytes of what is withdrawn are removed; empty for never."
    )
    reconcile_days: int = Field(
        1, ge=0, le=3650, description="Days after which rows and bytes are compared again; 0 for never."
    )
    job_workers: int = Field(
        2, ge=0, le=32, description="Threads of this server that do jobs; 0 leaves them to other servers."
    )
    delivery_workers: int = Field(
        8,
        ge=0,
        le=64,
        description="Threads of this server that carry out deliveries; 0 leaves them to other servers.",
    )
    job_days: int = Field(
        30, ge=1, le=3650, description="Days for which jobs that were done, and the history of all, are kept."
    )
    make_key_objects: bool = Field(
        False,
        description="Make the documents of migrated notes in the background, not only when they are needed.",
    )
    availability_quiet_seconds: int = Field(
        30,
        ge=1,
        le=86400,
        description="Seconds for which a study has not changed when destinations are told of it.",
    )
    follow_minutes: int = Field(
        60,
        ge=0,
        le=10080,
        description="Minutes after which followed peers are asked again for recent studies; 0: none is followed.",
    )
    undo_seconds: int = Field(
        600,
        ge=0,
        le=604_800,
        description="Seconds for which a withdrawal can be undone before others are told; safety has none.",
    )
    second_person: bool = Field(
        False,
        description="Whether withdrawing whole studies or series for good waits until another person confirms it.",
    )
    authentication: Literal["none", "local"] = Field(
        "none",
        description="How people sign in: `local` as users here, also by openid_issuer; `none` lets everybody in.",
    )
    session_hours: float = Field(
        12, ge=0.1, le=168, allow_inf_nan=False, description="Hours after which people have to sign in again."
    )
    audit: Annotated[bool | None, BeforeValidator(none_if_empty)] = Field(
        None, description="Write an audit trail; empty if people sign in."
    )
    audit_days: Annotated[Annotated[int, Field(ge=1, le=36_500)] | None, BeforeValidator(none_if_empty)] = (
        Field(None, description="Days for which the audit trail is kept; empty for ever.")
    )
    audit_syslog_host: Annotated[str, AfterValidator(syslog_host)] = Field(
        "", description="The syslog server that gets audit messages, by TLS; empty for none."
    )
    audit_syslog_port: int = Field(6514, ge=1, le=65535, description="Its port.")
    audit_source: Annotated[str, AfterValidator(audit_name)] = Field(
        "kinote", min_length=1, description="What this Kinote is called in audit messages."
    )
    audit_site: Annotated[str, AfterValidator(audit_name)] = Field(
        "", description="The site in audit messages; empty for none."
    )
    http_host: Annotated[str, AfterValidator(listening_host)] = Field(
        "127.0.0.1", description="The address the HTTP interface listens on."
    )
    http_certificate: _File = Field(None, description="Our certificate for HTTPS, PEM; empty: no TLS here.")
    http_key: _File = Field(None, description="Its private key, PEM; empty if it is in the same file.")
    http_port: int = Field(
        8080, ge=0, le=65535, description="The port of the HTTP interface; 0 takes a free one."
    )
    allowed_hosts: Annotated[
        tuple[Annotated[str, AfterValidator(host_name)], ...], NoDecode, BeforeValidator(listed)
    ] = Field((), description="Further host names by which browsers may reach it.")
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...], NoDecode, BeforeValidator(listed)
    ] = Field((), description="Origins of further pages that may change things through it.")
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(network)], ...], NoDecode, BeforeValidator(listed)
    ] = Field((), description="Addresses of reverse proxies that are believed when they name their client.")
    http_connections: int = Field(
        _HTTP.connections, ge=8, le=100_000, description="HTTP connections that may be open at once."
    )
    http_connections_per_address: int = Field(
        _HTTP.connections_per_address, ge=1, le=100_000, description="The same, from one address."
    )
    http_requests_per_client: int = Field(
        _HTTP.requests_per_client,
        ge=1,
        le=100_000,
        description="Requests of one client that are answered at once.",
    )
    http_stalled_seconds: float = Field(
        _HTTP.body_seconds,
        ge=1,
        le=3600,
        description="Seconds after which an upload that stalls, or is too slow, is broken off.",
    )
    http_slowest_upload: int = Field(
        1024, ge=0, le=1_000_000_000, description="Bytes per second that an upload brings at least."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines that are written to the log."
    )
    log_json: bool = Field(False, description="Write the log as JSON lines instead of text.")
    ae_titles: Annotated[tuple[Title, ...], AfterValidator(some), NoDecode, BeforeValidator(listed)] = Field(
        ("KINOTE",), description="Our AE titles; with the first of them others are called."
    )
    any_called_title: bool = Field(False, description="Take associations that call another AE title.")
    dicom_host: Annotated[str, AfterValidator(listening_host)] = Field(
        "127.0.0.1", description="The address the DICOM interface listens on."
    )
    dicom_port: Annotated[_Port | None, BeforeValidator(none_if_empty)] = Field(
        11112, description="The port of the DICOM interface; 0 takes a free one. Empty: no DICOM without TLS."
    )
    dicom_tls_port: Annotated[_Port | None, BeforeValidator(none_if_empty)] = Field(
        None, description="The port for DICOM by TLS; empty for none."
    )
    tls_certificate: _File = Field(None, description="Our certificate, PEM.")
    tls_key: _File = Field(None, description="Its private key, PEM; empty if it is in the same file.")
    tls_authorities: _File = Field(None, description="Certificates whose holders are believed, PEM.")
    tls_client_certificates: bool = Field(
        False, description="Let in by TLS only entities with a certificate of those authorities."
    )
    dicom_associations: int = Field(
        _DICOM.associations, ge=1, le=10_000, description="Associations that may be open at once."
    )
    dicom_associations_per_host: int = Field(
        _DICOM.associations_per_host, ge=1, le=10_000, description="The same, from one host."
    )
    entities: Annotated[tuple[EntitySettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="The application entities that are known."
    )
    destinations: Annotated[tuple[DestinationSettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="Where objects are sent, each under a name."
    )
    routes: Annotated[tuple[RouteSettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="The rules by which objects are delivered, each under a name."
    )
    rejections: Annotated[tuple[RejectionSettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="What rejection notes of others do here, by their title."
    )
    refused_copies: Annotated[tuple[RefusedCopySettings, ...], NoDecode, BeforeValidator(tables)] = Field(
        (), description="The statuses that refuse copies of rejected instances, by their sender."
    )
    unknown_callers: bool = Field(True, description="Let in entities that are not known.")
    user_identity: Literal["ignored", "accepted", "required"] = Field(
        "ignored",
        description="Whether users of DICOM systems sign in by name and password when they open an association.",
    )
    private_classes: bool = Field(True, description="Take objects of private SOP classes.")
    intake_processes: Annotated[Annotated[int, Field(ge=0, le=16)] | None, BeforeValidator(none_if_empty)] = (
        Field(
            None,
            description="Receiver processes; 0 receives in the main process, empty as many as there are cores for.",
        )
    )

    decoding_processes: Annotated[
        Annotated[int, Field(ge=1, le=64)] | None, BeforeValidator(none_if_empty)
    ] = Field(None, description="Decoding processes at most; empty as many as there are cores for.")

    memory: Annotated[Annotated[int, Field(ge=64)] | None, BeforeValidator(none_if_empty)] = Field(
        None,
        description="Megabytes of memory that requests may take together; empty a quarter of the machine's.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = settings_cls.model_config.get("toml_file")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if faults := tuple(contradictions_of(self)):
            raise ContradictionsError(faults)
        return self

    def writes_audit(self) -> bool:
        """Return whether an audit trail is written."""
        return self.authentication != "none" if self.audit is None else self.audit

    def only_by_proxy(self) -> bool:
        """Return whether HTTP from elsewhere must come by a trusted proxy, since there is no TLS here."""
        return not is_loopback(self.http_host) and self.http_certificate is None

    def http_hosts(self) -> tuple[str, ...]:
        """Return the host names, beside those of loopback, under which browsers may reach the server."""
        # No page of another host can have an address as the name of its own (DNS rebinding).
        own = () if is_wildcard(self.http_host) else (self.http_host,)
        return (*self.allowed_hosts, *own)

    def receivers(self) -> int:
        """Return the number of receiver processes."""
        if self.intake_processes is not None:
            return self.intake_processes
        cores = len(os.sched_getaffinity(0))
        return 1 if cores <= 3 else min(4, cores // 2)

    def backup_options(self) -> BackupOptions:
        """Return where backups go, and how often they are made."""
        return BackupOptions(
            None if self.backup_folder is None else self.backup_folder.absolute(),
            timedelta(hours=self.backup_hours) if self.backup_hours else None,
            self.backup_keep,
            self.backup_images,
        )

    def purge_delays(self) -> PurgeDelays:
        """Return how long the bytes of what is withdrawn stay."""
        rules = [each.rule() for each in self.rejections]
        return PurgeDelays(
            None if self.purge_after is None else timedelta(days=self.purge_after),
            by_title={rule.title.value: rule.purge_after for rule in rules if rule.purge_after is not None},
            of_notes={rule.title.value: rule.note_purge_after for rule in rules},
        )

    def decoding_options(self) -> DecodingOptions:
        """Return how compressed frames are decoded."""
        if self.decoding_processes is None:
            return DecodingOptions()
        return DecodingOptions(processes=self.decoding_processes)

    def memory_of_each_process(self) -> int:
        """Return how many bytes of memory requests may take together in the server, and in each receiver process."""
        size = default_size() if self.memory is None else self.memory << 20
        return size // (1 + self.receivers())

    def hosts_needed(self) -> bool:
        """Return whether the DICOM interface is reachable from elsewhere and identifies callers by their addresses."""
        return not is_loopback(self.dicom_host) and not is_guarded_by_certificates(self)

    def peers(self) -> list[WantedPeer]:
        """Return the peers that the settings name."""
        return [entity.peer() for entity in self.entities]

    def rejection_rules(self, may_reject: Callable[[Actor], bool]) -> RejectionRules:
        """Return what rejection notes of others may do, if their senders may."""
        return rejection_rules(self.rejections, self.refused_copies, may_reject)

    def alert_options(self) -> AlertOptions:
        """Return by which channels alerts reach people."""
        return self.channels(self.tls_authorities)

    def scp_options(self) -> ScpOptions:
        """Return the options of the DICOM interface."""
        return ScpOptions(
            titles=self.ae_titles,
            any_called_title=self.any_called_title,
            host=self.dicom_host,
            port=self.dicom_port,
            tls_port=self.dicom_tls_port,
            tls=TlsOptions(
                self.tls_certificate, self.tls_key, self.tls_authorities, self.tls_client_certificates
            ),
            unknown_callers=self.unknown_callers,
            hosts_needed=self.hosts_needed(),
            private_classes=self.private_classes,
            user_identity=UserIdentities(self.user_identity),
            limits=ScpLimits(
                associations=self.dicom_associations,
                associations_per_host=self.dicom_associations_per_host,
            ),
        )

    def connection_limits(self) -> ConnectionLimits:
        """Return the limits of HTTP connections."""
        return ConnectionLimits(
            connections=self.http_connections,
            connections_per_address=self.http_connections_per_address,
            requests_per_client=self.http_requests_per_client,
            body_seconds=self.http_stalled_seconds,
            # One byte at least: an upload that brings nothing at all stalls, however slow it may be.
            body_bytes=max(round(self.http_slowest_upload * self.http_stalled_seconds), 1),
        )
