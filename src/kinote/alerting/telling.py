"""The job that tells a channel about alerts, and the scheduling of these jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.alerting.channels import MAIL, AlertOptions, Channel, NotSentError, RefusedError
from kinote.alerting.due import digest_sent_at, due, of_a_day, record, record_digest
from kinote.alerting.mail import Mail
from kinote.alerting.messages import delivery_id, digest, news, trial
from kinote.alerting.webhook import Webhook
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import URGENT, JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome, PermanentError
from kinote.jobs.lists import last_death
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

#: A mail server may be down over a night. One at a time, so that a stuck one occupies a single worker.
TELL_ALERTS = JobKind(
    "tell-alerts",
    "tells people of alerts, by mail or webhook",
    attempts=40,
    first_pause=timedelta(seconds=15),
    longest_pause=timedelta(hours=1),
    at_once=1,
    priority=URGENT,
)

#: Seconds between two looks for messages that are due.
_LOOK_EVERY = 15.0


def channels_of(options: AlertOptions, clock: Clock) -> dict[str, Channel]:
    """Return the configured channels by name."""
    found: list[Channel] = []
    if options.mail is not None:
        found.append(Mail(options.mail, clock))
    found += [Webhook(each, options.server, clock) for each in options.webhooks]
    return {each.name: each for each in found}


class AlertMessenger:
    """Schedules the jobs that tell channels about alerts. Several servers may do this at once: a job is made once."""

    def __init__(self, catalog: Catalog, clock: Clock, options: AlertOptions) -> None:
        self._catalog = catalog
        self._clock = clock
        self._options = options
        self._channels = channels_of(options, clock)

    def step(self) -> float:
        """Schedule the jobs that are due. Return the seconds until the next look."""
        with self._catalog.read() as connection:
            wanted = [*self._due(connection), *self._due_digest(connection)]
        if wanted:
            self._catalog.submit(
                lambda transaction: self._call(transaction, wanted), background=True
            ).result()
        return _LOOK_EVERY

    def _due(self, connection: Connection) -> list[tuple[str, dict[str, str]]]:
        found: list[tuple[str, dict[str, str]]] = []
        for name in self._channels:
            what = due(
                connection,
                name,
                self._clock(),
                severity=self._options.severity,
                pause=self._options.pause,
                repeat=self._options.repeat,
            )
            died_at = last_death(connection, TELL_ALERTS, name) if what else None
            # A channel whose job failed gets another when there is something new to tell.
            if what and (died_at is None or died_at < what.since):
                found.append((name, {"channel": name}))
        return found

    def _due_digest(self, connection: Connection) -> list[tuple[str, dict[str, str]]]:
        moment = _last_digest_moment(self._options, self._clock())
        if moment is None or MAIL not in self._channels:
            return []
        sent_at = digest_sent_at(connection, MAIL)
        died_at = last_death(connection, TELL_ALERTS, f"digest {MAIL}")
        is_due = sent_at < moment and (died_at is None or died_at < moment)
        return [(f"digest {MAIL}", {"channel": MAIL, "digest": "yes"})] if is_due else []

    def _call(self, transaction: Connection, wanted: list[tuple[str, dict[str, str]]]) -> None:
        for natural_key, payload in wanted:
            enqueue(
                transaction,
                TELL_ALERTS,
                payload,
                clock=self._clock,
                actor=KINOTE.name,
                natural_key=natural_key,
            )


def _last_digest_moment(options: AlertOptions, now: datetime) -> str | None:
    """Return when the last digest was due, by the server's time zone; None if there is none."""
    if options.digest_at is None:
        return None
    local = now.astimezone()
    moment = datetime.combine(local.date(), options.digest_at).astimezone()
    if moment > local:
        moment = datetime.combine(local.date() - timedelta(days=1), options.digest_at).astimezone()
    return timestamp(moment)


class TellAlerts:
    """Performs the job: one message about everything that is due then."""

    def __init__(self, catalog: Catalog, clock: Clock, options: AlertOptions) -> None:
        self._catalog = catalog
        self._clock = clock
        self._options = options
        self._channels: Mapping[str, Channel] = channels_of(options, clock)

    def __call__(self, job: LeasedJob) -> Outcome:
        channel = self._channels.get(job.payload["channel"])
        if channel is None:
            # What is due stays due: a server that has the channel schedules another job.
            return Done("The settings of this server no longer have this channel.")
        if job.is_ending():
            return LeftOff()
        try:
            return self._digest(job, channel) if "digest" in job.payload else self._news(job, channel)
        except RefusedError as error:
            raise PermanentError(str(error)) from error

    def _news(self, job: LeasedJob, channel: Channel) -> Outcome:
        options = self._options
        with self._catalog.read() as connection:
            what = due(
                connection, channel.name, self._clock(), severity=options.severity, repeat=options.repeat
            )
        if not what:
            return Done("Nothing was left to tell.")
        said = channel.send(
            news(
                what.new,
                what.cleared,
                what.number_open,
                delivery=delivery_id(channel.name, what.parts),
                server=options.server,
                address=options.address,
            )
        )
        job.write(lambda transaction: record(transaction, channel.name, what, self._clock()))
        return Done(said)

    def _digest(self, job: LeasedJob, channel: Channel) -> Outcome:
        now = self._clock()
        with self._catalog.read() as connection:
            what = of_a_day(connection, now)
        day = _last_digest_moment(self._options, now) or timestamp(now)
        said = channel.send(
            digest(
                what.open,
                what.cleared,
                delivery=delivery_id(channel.name, ["digest", day]),
                server=self._options.server,
                address=self._options.address,
            )
        )
        job.write(lambda transaction: record_digest(transaction, channel.name, self._clock()))
        return Done(said)


def send_test(options: AlertOptions, clock: Clock) -> list[dict[str, object]]:
    """Send a test message by every channel. Return the outcome of each."""
    message = trial(options.server, clock())
    found: list[dict[str, object]] = []
    for name, channel in channels_of(options, clock).items():
        try:
            found.append({"channel": name, "sent": True, "sentence": channel.send(message)})
        except (NotSentError, RefusedError) as error:
            found.append({"channel": name, "sent": False, "sentence": str(error)})
    return found
