"""The start of every command that needs settings or the store, and what it then works with.

A command uses the store through the REST API in all cases: of the server that has the data directory open, or of the
application, started in its own process. The lock of the data directory decides which of the two.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinote.backup.refusals import BackupError
from kinote.command.output import USAGE, fail
from kinote.command.store.client import Client, ServerError
from kinote.command.store.proven import NotProvedError, ProvenTransport, is_proved
from kinote.command.user import user
from kinote.security.actors import command_actor
from kinote.security.origins import Interface, Origin
from kinote.settings.model import Settings
from kinote.settings.reading import SettingsError, read_settings
from kinote.storage.directory.announcement import Announcement, NoAnnouncementError, announced
from kinote.storage.directory.data_directory import DataDirectoryInUseError
from kinote.telemetry.logs import set_up_logs

if TYPE_CHECKING:
    from kinote.app import Application, Purpose
    from kinote.intake.importing import Sink

#: Errors that a command cannot prevent and reports to the user.
_TOLD = (BackupError, DataDirectoryInUseError, NoAnnouncementError, NotProvedError, ServerError)

#: The host name of the application in this process: one that it accepts.
_HERE = "http://localhost"


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that has begun: its settings, and access to the store."""

    settings: Settings

    @contextmanager
    def store(self, purpose: Purpose, *, makes_new: bool = False) -> Iterator[Client]:
        """Open the store by its REST API. A folder that is not a data directory becomes one only with `makes_new`."""
        with ExitStack() as closing:
            found = self._opened(closing, purpose, makes_new=makes_new)
            if isinstance(found, Announcement):
                client = Client(found.url, ProvenTransport(found), found.owner_proof)
            else:
                from kinote.app import web_application
                from kinote.command.store.in_process import answered_here

                application = web_application(found, self.settings)
                client = Client(_HERE, closing.enter_context(answered_here(application)))
            closing.callback(client.close)
            yield client

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        """Open a sink that takes objects into the store, which is created if necessary.

        In this process, objects go directly to the receiver. By REST, with 16 requests at once, CT images of 20 KB take
        four to six times as long, and those of 512 KB two to four times, because one interpreter does the work of both
        ends.
        """
        with ExitStack() as closing:
            found = self._opened(closing, "work", makes_new=True)
            if not isinstance(found, Announcement):
                from kinote.intake.importing import local_sink

                yield local_sink(found.receiver, Origin(Interface.IMPORT, command_actor(user())))
                return
            client = Client(found.url, ProvenTransport(found), found.owner_proof)
            closing.callback(client.close)
            yield client.store

    def _opened(self, closing: ExitStack, purpose: Purpose, *, makes_new: bool) -> Application | Announcement:
        """Open the data directory; or, if a server has it open, return that server.

        The application is imported only if needed: that takes longer than most commands.
        """
        if (at_work := _server_at_work(self.settings)) is not None:
            return at_work
        from kinote.app import open_application

        try:
            return closing.enter_context(
                open_application(self.settings, purpose, makes_new=makes_new, unless_served=True)
            )
        except DataDirectoryInUseError:
            server = announced(self.settings.data)
            if server is None:
                # Another command has it, or a server that is just starting or ending.
                raise
            return server


def _server_at_work(settings: Settings) -> Announcement | None:
    """Return the server that has the data directory open, if it proves its identity.

    None proves nothing: then the lock of the directory decides.
    """
    try:
        found = announced(settings.data)
    except NoAnnouncementError:
        return None
    if found is None or not _is_running(found.pid):
        return None
    return found if is_proved(found) else None


def _is_running(pid: int) -> bool:
    """Return whether there is a process with this id: a killed server leaves its announcement behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # The process of another user.
        return True
    return True


def _told_of_application() -> tuple[type[Exception], ...]:
    """Return the errors of the application that a command reports to the user."""
    from kinote.app import ApplicationError
    from kinote.command.serving.running import PortTakenError
    from kinote.demo.loading import DemoError

    return ApplicationError, PortTakenError, DemoError


@contextmanager
def begun(config: Path | None = None, /, **given: Any) -> Iterator[Begun]:
    """Start a command with the settings of its command line (those not None). End it if it fails."""
    try:
        settings = read_settings(
            config, **{name: value for name, value in given.items() if value is not None}
        )
    except SettingsError as error:
        fail(str(error), USAGE)
    # The application in this process logs requests, as a server does. The user did not ask for that.
    set_up_logs(as_json=settings.log_json, level=logging.WARNING)
    try:
        yield Begun(settings)
    except _TOLD as error:
        fail(str(error))
    except typer.Exit:
        raise
    except Exception as error:
        # Called here only, because naming the application's errors imports it.
        if isinstance(error, _told_of_application()):
            fail(str(error))
        raise
