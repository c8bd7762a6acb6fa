"""Checks the definition of a route. All faults are reported at once, each with its field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinote.delivery.routing.route import ABOUT_NOTES, Conditions, Trigger, WantedRoute
from kinote.dicom.values import uids
from kinote.dimse.entity import AeTitleError, ae_title
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import TitleGroup, title_group
from kinote.peers.checks import faults_of_description, faults_of_name
from kinote.peers.destination import Content, Destination
from kinote.peers.refusals import Fault

#: The most values of one condition.
MOST = 100

#: The most characters of a value (PS3.5 6.2, LO).
_LONGEST = 64

#: The least and greatest quiet time of a study, in seconds (up to a week).
SHORTEST_QUIET, LONGEST_QUIET = 1, 604_800

#: The greatest age in days: 200 years.
_MOST_DAYS = 73_000

#: The origins of notes that a route can select. Migrated notes arrive by the thousands, and never trigger a route.
NOTE_ORIGINS = ("authored", "received", "migrated")


def faults_of_route(wanted: WantedRoute, destination: Destination | None) -> list[Fault]:
    """Return the faults of a route. `destination` is the one that it names; None if there is none."""
    faults = [*faults_of_name(wanted.name), *faults_of_description(wanted.description)]
    if destination is None:
        faults.append(Fault("destination", f"There is no destination number {wanted.destination}."))
    elif destination.has_ended:
        faults.append(Fault("destination", destination.hindrance))
    if not 0 <= wanted.priority <= 9:
        faults.append(Fault("priority", "A whole number from 0 to 9; the smaller goes first."))
    return [*faults, *_faults_of_triggers(wanted), *_faults_of_conditions(wanted)]


def _faults_of_triggers(wanted: WantedRoute) -> Iterator[Fault]:
    if not wanted.triggers:
        yield Fault("triggers", f"Name at least one of {', '.join(Trigger)}.")
    if len(set(wanted.triggers)) != len(wanted.triggers):
        yield Fault("triggers", "Name each once.")
    if not SHORTEST_QUIET <= wanted.quiet_seconds <= LONGEST_QUIET:
        yield Fault("quiet_seconds", f"A whole number from {SHORTEST_QUIET} to {LONGEST_QUIET}.")


def _faults_of_conditions(wanted: WantedRoute) -> Iterator[Fault]:
    conditions = wanted.conditions
    for name in ("titles", "note_origins", "modalities", "sop_classes", "sources", "patients", "studies"):
        values: Sequence[object] = getattr(conditions, name)
        if len(values) > MOST:
            yield Fault(f"conditions.{name}", f"At most {MOST} values.")
        elif len(set(values)) != len(values):
            yield Fault(f"conditions.{name}", "Name each value once.")
    yield from _faults_of_values(conditions)
    yield from _faults_of_age(conditions)
    if conditions.has_notes is False:
        for name in ("titles", "note_origins"):
            if getattr(conditions, name):
                yield Fault(
                    f"conditions.{name}", "No note can have it where has_notes is false: leave one out."
                )
        if ABOUT_NOTES & set(wanted.triggers):
            yield Fault("conditions.has_notes", "A route that acts on notes finds a note: leave it out.")
        if wanted.content is not Content.ALL:
            yield Fault("content", f"A study without notes has no {wanted.content}: choose `all`.")


def _faults_of_values(conditions: Conditions) -> Iterator[Fault]:
    for number, title in enumerate(conditions.titles):
        field = f"conditions.titles[{number}]"
        if not _is_text(title.value) or not _is_text(title.scheme):
            yield Fault(field, f"A code has a value and a scheme of 1 to {_LONGEST} characters.")
        elif title_group(Code(title.value, title.scheme)) in (TitleGroup.REJECTION, TitleGroup.MANIFEST):
            yield Fault(field, "Documents with this title are no notes: routes do not see them.")
    for number, origin in enumerate(conditions.note_origins):
        if origin not in NOTE_ORIGINS:
            yield Fault(f"conditions.note_origins[{number}]", f"One of {', '.join(NOTE_ORIGINS)}.")
    for name in ("modalities", "patients"):
        for number, text in enumerate(getattr(conditions, name)):
            if not _is_text(text):
                yield Fault(f"conditions.{name}[{number}]", f"1 to {_LONGEST} printable characters.")
    for name in ("sop_classes", "studies"):
        for number, uid in enumerate(getattr(conditions, name)):
            if not uids.is_tolerable(uid):
                yield Fault(f"conditions.{name}[{number}]", f"{uid[:80]!r} is no UID.")
    for number, text in enumerate(conditions.sources):
        try:
            is_title = ae_title(text) == text
        except AeTitleError:
            is_title = False
        if not is_title:
            yield Fault(f"conditions.sources[{number}]", f"{text[:80]!r} is no AE title.")


def _faults_of_age(conditions: Conditions) -> Iterator[Fault]:
    oldest, youngest = conditions.oldest_days, conditions.youngest_days
    for name, days in (("oldest_days", oldest), ("youngest_days", youngest)):
        if days is not None and not 0 <= days <= _MOST_DAYS:
            yield Fault(f"conditions.{name}", f"A whole number of days from 0 to {_MOST_DAYS}.")
    if oldest is not None and youngest is not None and youngest > oldest:
        yield Fault(
            "conditions.youngest_days", "No study can be older than that and not older than oldest_days."
        )


def _is_text(text: str) -> bool:
    return 1 <= len(text) <= _LONGEST and text.isprintable() and text == text.strip()
