"""Where every command begins that needs settings or the store, and what it works with from then on.

What a command asks of the store it asks by REST, once for all cases: of the server that has the data directory open, or
else of the application, which it starts in its own process. The lock of the data directory decides which of the two.
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
from kinote.command.client import Client, ServerError
from kinote.command.output import USAGE, fail
from kinote.command.proven import NotProvedError, ProvenTransport, is_proved
from kinote.command.user import user
from kinote.security.actors import command_actor
from kinote.security.origins import Interface, Origin
from kinote.settings.model import Settings
from kinote.settings.reading import SettingsError, read_settings
from kinote.storage.announcement import Announcement, NoAnnouncementError, announced
from kinote.storage.data_directory import DataDirectoryInUseError
from kinote.telemetry.logs import set_up_logs

if TYPE_CHECKING:
    from kinote.app import House, Purpose
    from kinote.intake.importing import Sink

#: What a command cannot do anything about, and says to the user.
_TOLD = (BackupError, DataDirectoryInUseError, NoAnnouncementError, NotProvedError, ServerError)

#: Where the application in this process is: a name that it answers for.
_HERE = "http://localhost"


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that has begun: its settings, and the way to the store."""

    settings: Settings

    @contextmanager
    def store(self, purpose: Purpose, *, makes_new: bool = False) -> Iterator[Client]:
        """The store by its REST API; a folder that is no data directory is not made one, unless it `makes_new` ones."""
        with ExitStack() as closing:
            found = self._opened(closing, purpose, makes_new=makes_new)
            if isinstance(found, Announcement):
                client = Client(found.url, ProvenTransport(found), found.owner_proof)
            else:
                from kinote.app import web_application
                from kinote.command.in_process import answered_here

                application = web_application(found, self.settings)
                client = Client(_HERE, closing.enter_context(answered_here(application)))
            closing.callback(client.close)
            yield client

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        """Takes objects into the store, which is made where there is none.

        In this process they go to the receiver itself. By REST, with 16 requests at once, CT images of 20 KB take four
        to six times as long, and those of 512 KB two to four times: one interpreter does the work of both ends.
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

    def _opened(self, closing: ExitStack, purpose: Purpose, *, makes_new: bool) -> House | Announcement:
        """The open data directory; or, where a server has it open, that server.

        The application is loaded only where it is needed: that takes longer than most commands do.
        """
        if (at_work := _server_at_work(self.settings)) is not None:
            return at_work
        from kinote.app import open_house

        try:
            return closing.enter_context(
                open_house(self.settings, purpose, makes_new=makes_new, unless_served=True)
            )
        except DataDirectoryInUseError:
            server = announced(self.settings.data)
            if server is None:
                # Another command has it, or a server that is just starting or ending.
                raise
            return server


def _server_at_work(settings: Settings) -> Announcement | None:
    """The server that has the data directory open, if it proves to be that one.

    None says nothing: the lock of the directory decides then.
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
        # Another user's.
        return True
    return True


def _told_of_application() -> tuple[type[Exception], ...]:
    """What the application tells, and a command says to the user."""
    from kinote.app import HouseError
    from kinote.command.serve import PortTakenError
    from kinote.demo.loading import DemoError

    return HouseError, PortTakenError, DemoError


@contextmanager
def begun(config: Path | None = None, /, **given: Any) -> Iterator[Begun]:
    """Begin a command with these settings of its command line, where they are not None; end it where it fails."""
    try:
        settings = read_settings(
            config, **{name: value for name, value in given.items() if value is not None}
        )
    except SettingsError as error:
        fail(str(error), USAGE)
    # The application in this process logs its requests, as a server does: they are not what was asked for.
    set_up_logs(as_json=settings.log_json, level=logging.WARNING)
    try:
        yield Begun(settings)
    except _TOLD as error:
        fail(str(error))
    except typer.Exit:
        raise
    except Exception as error:
        # Asked for here only, because naming what the application tells loads it.
        if isinstance(error, _told_of_application()):
            fail(str(error))
        raise
