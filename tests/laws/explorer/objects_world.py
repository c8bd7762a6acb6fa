"""Two objects of one study, two withdrawals, one peer, the reaper and its undoing, with a crash in every gap.

Of the product: the guards of withdrawals, standing and purges; the effects of rejections by their title, the fates of
later copies; when something is due; and why an undo is refused. Modelled beside: how rows follow from a step, as
`standing.settle`, `intake.filing`, `lifecycle.owed.recording` and `notes.acts.rejection` have it; time as the age of
each withdrawal (fresh; its window is over; its delay is over); and that other content never comes under a UID.

Only the first object arrives late, comes again, and is given to the peer; the second, a key object, is there from the
start. Only the image is purged. The first withdrawal names either both or the image, the second one the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import NamedTuple

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import Guard, hold
from kinote.lifecycle import guards
from kinote.lifecycle.acts import QUALITY, RETENTION_EXPIRED, SAFETY, Act, LaterCopies
from kinote.lifecycle.purging import delays
from kinote.lifecycle.rejection import decisions
from kinote.lifecycle.rejection.decisions import Asked, Fate, Held, strictest
from kinote.lifecycle.rejection.rules import Effect
from kinote.lifecycle.withdrawals.withdrawal import why_not_undoable
from tests.laws.explorer.exploring import BY_ITSELF, BrokenError

_NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_DELAY = delays.PurgeDelays(timedelta(days=1))

#: The moments of what is fresh, whose undo window is over, and whose delay is over.
_MADE = tuple(timestamp(_NOW - ago) for ago in (timedelta(), timedelta(hours=1), timedelta(days=2)))

_FIRST, _BOTH = frozenset({0}), frozenset({0, 1})
_NAMES = ("the image", "the key object")


@dataclass(frozen=True)
class ObjectTables:
    """What decides, as the product has it."""

    in_force: Sequence[Guard] = guards.IN_FORCE
    can_be_undone: Sequence[Guard] = guards.CAN_BE_UNDONE
    can_be_closed: Sequence[Guard] = guards.CAN_BE_CLOSED
    is_settled: Sequence[Guard] = guards.IS_SETTLED
    can_be_purged: Sequence[Guard] = guards.CAN_BE_PURGED
    fates: Mapping[tuple[Held, LaterCopies], Fate] = field(default_factory=lambda: decisions.FATES)
    effects: Mapping[Asked, Effect] = field(default_factory=lambda: decisions.EFFECTS)


class Thing(NamedTuple):
    """The current row under a UID, and bytes that lie beside: `owed` those of a tombstone, `stray` those of no row."""

    standing: str = ""
    has_bytes: bool = False
    owed: bool = False
    stray: bool = False
    #: Its bytes have just arrived, so that they stay for the whole delay.
    is_new: bool = False
    #: The reaper has found it, and goes to make it a tombstone.
    is_found: bool = False


class Taken(NamedTuple):
    """A withdrawal: its row, and that of each target that is `spared`."""

    act: Act
    targets: frozenset[int]
    received: bool = False
    effect: str = "hidden"
    spared: frozenset[int] = frozenset()
    age: int = 0
    closed_at: str | None = None
    undone_at: str | None = None
    #: The rejection note: "", "prepared", "live" or "withdrawn".
    note: str = ""
    #: What the peer has of it: "", "owed", "given".
    told: str = ""
    #: What the laws say of it, whatever the rows say: whether it may take anything out of use.
    is_rightful: bool = True
    marks_images: bool = False


class Life(NamedTuple):
    things: tuple[Thing, Thing]
    taken: tuple[Taken, ...] = ()
    #: The stored counter of the study.
    counter: int = 0
    #: What the peer has of the image: "", "sent" (and not written down yet), "given", "owed again".
    peer: str = ""


class ObjectsWorld:
    """With a peer there is one withdrawal, without one there are two: together they would be millions of states.

    The `second` withdrawal is by a person, with one of these acts.
    """

    def __init__(
        self,
        tables: ObjectTables | None = None,
        *,
        has_peer: bool,
        second: Sequence[Act] = (SAFETY, RETENTION_EXPIRED),
    ) -> None:
        self.tables = tables or ObjectTables()
        self.second = second
        self.has_peer = has_peer

    def starts(self) -> Iterator[Life]:
        yield Life((Thing(), Thing("live", has_bytes=True)), counter=1)

    def ends_by_itself(self, life: Life) -> bool:
        """Windows have closed, bytes of tombstones have gone, and what was sent is written down."""
        return (
            not any(thing.owed or thing.stray or thing.is_found for thing in life.things)
            and all(each.closed_at is not None or each.undone_at is not None for each in life.taken)
            and life.peer != "sent"
        )

    # --- what must hold ---

    def breach(self, life: Life) -> str:
        if life.counter != sum(thing.standing == "live" for thing in life.things):
            return "The counter of the study is not what the live view counts (law 1)."
        for place, thing in enumerate(life.things):
            name = _NAMES[place]
            if thing.standing in ("live", "withdrawn"):
                if not thing.has_bytes:
                    return f"The row of {name} has no bytes (law 8)."
                ought = "withdrawn" if self._rightful(life, place) else "live"
                if thing.standing != ought:
                    return f"Of {name} the row says {thing.standing}, and its withdrawals {ought} (law 4)."
            elif thing.has_bytes:
                return f"The tombstone of {name} has bytes (law 8)."
        for each in life.taken:
            if each.note == "live" and (each.closed_at is None or each.undone_at is not None):
                return "A rejection note is live before its time, or after its withdrawal was undone (law 4)."
            if each.closed_at is None and each.undone_at is not None and each.note:
                return "An undone withdrawal has left a note that was never to be seen (law 4)."
            if life.peer in ("given", "owed again") and self._is_rightly_owed(life, each) and not each.told:
                return "The peer has the image, and is not told that it is out of use (law 4)."
        return ""

    def _rightful(self, life: Life, place: int) -> list[Taken]:
        """The withdrawals that take an object out of use by the laws, and not by the guards."""
        return [
            each
            for each in life.taken
            if each.is_rightful
            and each.undone_at is None
            and place in each.targets - each.spared
            and not (each.marks_images and place == 0)
        ]

    def _is_rightly_owed(self, life: Life, each: Taken) -> bool:
        return (
            each.note in ("prepared", "live")
            and each.undone_at is None
            and 0 in each.targets
            and 0 not in each.spared
            and life.things[0].standing in ("withdrawn", "purged")
        )

    # --- what can happen ---

    def steps(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        yield from self._arrivals(life)
        yield from self._withdrawals(life)
        yield from self._of_each_withdrawal(life)
        yield from self._reaper(life)
        if self.has_peer:
            yield from self._peer(life)

    # --- arrivals ---

    def _arrivals(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        image = life.things[0]
        if not image.stray:
            yield "the bytes of the image arrive", _put(life, 0, image._replace(stray=True))
            return
        gone = _put(life, 0, image._replace(stray=False))
        yield f"{BY_ITSELF}a crash; recovery sets the bytes aside", gone
        yield f"{BY_ITSELF}the image is filed", self._filed(gone)

    def _filed(self, life: Life) -> Life | BrokenError:
        """As `intake.filing` decides; its bytes are there, and are left out where they are not kept."""
        image = life.things[0]
        hiding = [each for each in life.taken if self._is_in_force(each, 0)]
        held = Held(image.standing) if image.standing in ("withdrawn", "purged") else Held.NOTHING
        fate = Fate.HIDDEN
        if hiding:
            found = self.tables.fates.get((held, strictest({each.act.later_copies for each in hiding})))
            if found is None:
                return BrokenError(
                    "Nothing says what becomes of the arrival: its sender gets no answer (law 5)."
                )
            fate = found
        wrong = self._wrong_fate(life, fate, held)
        if wrong:
            return BrokenError(wrong)
        if fate is Fate.REFUSED:
            return life
        if fate is Fate.RESTORED:
            return self._restored(life, hiding)
        if image.standing in ("live", "withdrawn"):
            # Known: the same data set is here.
            return life
        was_out = [each for each in life.taken if 0 in each.targets and each.effect == "hidden"]
        if image.standing == "purged" and not hiding and not (was_out and all(e.undone_at for e in was_out)):
            # Held beside the tombstone, for a person.
            return life
        standing = "withdrawn" if hiding else "live"
        arrived = Thing(standing, has_bytes=True, owed=image.owed, is_new=True)
        return _put(life, 0, arrived)._replace(counter=life.counter + (standing == "live"))

    def _wrong_fate(self, life: Life, fate: Fate, held: Held) -> str:
        rightful = {each.act.later_copies for each in self._rightful(life, 0)}
        if held is Held.NOTHING and rightful and fate is not Fate.HIDDEN:
            return f"A first arrival is {fate}, because its rejection came before it (law 4)."
        if held is not Held.NOTHING and LaterCopies.REFUSED in rightful and fate is not Fate.REFUSED:
            return "A UID that must never be accepted again is (IOCM)."
        return ""

    def _restored(self, life: Life, hiding: Sequence[Taken]) -> Life:
        """The copy ends these withdrawals for the image; what others were told of it is taken back."""
        image = life.things[0]
        taken = []
        again = False
        for each in life.taken:
            if each not in hiding:
                taken.append(each)
                continue
            spared = each._replace(spared=each.spared | {0})
            names_nothing = spared.targets <= spared.spared
            if not each.received and each.closed_at is not None and each.note:
                again = again or each.told == "given"
                spared = spared._replace(
                    note="withdrawn" if names_nothing else each.note,
                    told="" if each.told == "owed" else each.told,
                )
            taken.append(spared)
        life = life._replace(taken=tuple(taken))
        if again and life.peer == "given":
            life = life._replace(peer="owed again")
        if image.standing == "purged":
            arrived = Thing("live", has_bytes=True, owed=image.owed, is_new=True)
            return _put(life, 0, arrived)._replace(counter=life.counter + 1)
        return self._settled(life, _FIRST)

    # --- withdrawals and rejections ---

    def _withdrawals(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        if len(life.taken) == (1 if self.has_peer else 2):
            return
        is_second = bool(life.taken)
        for named in (_FIRST,) if is_second else (_FIRST, _BOTH):
            what = "the image" if named == _FIRST else "both objects"
            for act in self.second if is_second else (QUALITY, SAFETY, RETENTION_EXPIRED):
                yield f"a person withdraws {what} ({act})", self._withdrawn(life, act, named)
            if is_second:
                continue
            for act, may_reject, marks in (
                (QUALITY, True, False),
                (QUALITY, True, True),
                (RETENTION_EXPIRED, True, False),
                (SAFETY, False, False),
                (QUALITY, False, True),
            ):
                sender = "a peer" if may_reject else "a stranger"
                rule = ", which only marks images," if marks else ""
                yield (
                    f"{sender} rejects {what} ({act}){rule}",
                    self._rejected(life, act, named, may_reject=may_reject, marks=marks),
                )

    def _withdrawn(self, life: Life, act: Act, named: frozenset[int]) -> Life:
        is_closed = not act.undo_window
        knows_one = any(life.things[place].standing for place in named)
        note = ("live" if is_closed else "prepared") if knows_one else ""
        # In the study of what is known; the peer was given the image, if anything.
        told = (
            "owed"
            if note and 0 in named and life.things[0].standing and life.peer in ("given", "owed again")
            else ""
        )
        one = Taken(act, named, closed_at=_MADE[0] if is_closed else None, note=note, told=told)
        return self._settled(life._replace(taken=(*life.taken, one)), named)

    def _rejected(
        self, life: Life, act: Act, named: frozenset[int], *, may_reject: bool, marks: bool
    ) -> Life | BrokenError:
        for is_key_object in {place == 1 for place in named}:
            effect = self.tables.effects.get(Asked(may_reject, marks, is_key_object))
            if effect is None:
                return BrokenError("Nothing says what the rejection does: it is lost (law 4).")
            if named == _FIRST or is_key_object:
                decided = effect
        # A rejection of both is one row for each effect; here its row is that of the key object, and marks the image.
        one = Taken(
            act,
            named,
            received=True,
            effect=str(decided),
            closed_at=_MADE[0],
            is_rightful=may_reject,
            marks_images=marks and may_reject,
            spared=_FIRST if marks and may_reject and named == _BOTH else frozenset(),
        )
        return self._settled(life._replace(taken=(*life.taken, one)), named)

    def _settled(self, life: Life, named: frozenset[int]) -> Life:
        """As `standing.settle`."""
        for place in sorted(named):
            thing = life.things[place]
            is_out = any(self._is_in_force(each, place) for each in life.taken)
            standing = "withdrawn" if is_out else "live"
            if thing.standing and hold(self.tables.is_settled, thing) and thing.standing != standing:
                life = _put(life, place, thing._replace(standing=standing))
                life = life._replace(counter=life.counter + (1 if standing == "live" else -1))
        return life

    def _is_in_force(self, each: Taken, place: int) -> bool:
        target = SimpleNamespace(spared="restored" if place in each.spared else "")
        return place in each.targets and hold(self.tables.in_force, each, target)

    # --- what becomes of a withdrawal ---

    def _of_each_withdrawal(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        for number, each in enumerate(life.taken):
            which = f"the {('first', 'second')[number]} withdrawal"
            if each.age < 2 and each.undone_at is None and each.effect == "hidden":
                after = 1 if each.closed_at is None and not each.age else 2
                until = ("its undo window", "its delay")[after - 1]
                yield (
                    f"{BY_ITSELF}the time of {until} passes for {which}",
                    _take(life, number, each._replace(age=after)),
                )
            if hold(self.tables.can_be_closed, each) and each.age:
                yield f"{BY_ITSELF}the undo window of {which} closes", self._closed(life, number, each)
            if (
                hold(self.tables.can_be_undone, each)
                and each.effect != "proposed"
                and not self._undo_refused(life, each)
            ):
                yield f"a person undoes {which}", self._undone(life, number, each)
                yield f"a person undoes {which}, and the answer is lost", self._undone(life, number, each)
            if each.effect == "proposed" and each.undone_at is None:
                refused = each._replace(undone_at=_MADE[0])
                yield f"a person refuses {which}", self._settled(_take(life, number, refused), each.targets)

    def _closed(self, life: Life, number: int, each: Taken) -> Life | BrokenError:
        if each.closed_at is not None:
            return BrokenError("What others were told is told again (law 4).")
        if (each.spared and each.note) or (each.spared and each.undone_at is not None):
            # Made again without what is spared.
            left = each.targets - each.spared
            each = each._replace(note="prepared" if left else "", told="" if 0 in each.spared else each.told)
        note = "live" if each.note == "prepared" else each.note
        return _take(life, number, each._replace(closed_at=_MADE[0], note=note))

    def _undo_refused(self, life: Life, each: Taken) -> bool:
        is_told = each.note == "live" and not each.received
        if why_not_undoable(each.act.name, is_told=is_told):
            return True
        all_purged = all(life.things[place].standing == "purged" for place in each.targets)
        return all_purged and each.act.later_copies is not LaterCopies.REFUSED

    def _undone(self, life: Life, number: int, each: Taken) -> Life | BrokenError:
        if each.undone_at is not None:
            return BrokenError("The record of who undid it is written over (law 4).")
        undone = each._replace(undone_at=_MADE[0])
        if each.closed_at is None:
            undone = undone._replace(note="", told="")
        elif each.note == "live":
            undone = undone._replace(note="withdrawn", told="" if each.told == "owed" else each.told)
        after = self._settled(_take(life, number, undone), each.targets)
        if each.told == "given" and after.peer == "given":
            after = after._replace(peer="owed again")
        return after

    # --- the reaper ---

    def _reaper(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        for place, thing in enumerate(life.things[:1]):
            name = _NAMES[place]
            if thing.is_new:
                yield f"time passes for {name}", _put(life, place, thing._replace(is_new=False))
            if thing.standing == "withdrawn" and not thing.is_found and self._is_due(life, place):
                yield f"the reaper finds {name}", _put(life, place, thing._replace(is_found=True))
            if thing.is_found:
                yield (
                    f"{BY_ITSELF}a crash of the reaper that has found {name}",
                    _put(life, place, thing._replace(is_found=False)),
                )
                if hold(self.tables.can_be_purged, thing) and self._is_due(life, place):
                    for more, stays in (("", False), (", as does another node", True)):
                        yield f"the reaper purges {name}{more}", self._purged(life, place, is_found=stays)
            if thing.owed:
                yield (
                    f"{BY_ITSELF}the bytes of the tombstone of {name} are removed",
                    _put(life, place, thing._replace(owed=False)),
                )

    def _is_due(self, life: Life, place: int) -> bool:
        """By the product's own rule, of what its guards let through."""
        those = [
            delays.InForce(number, each.act.name, _MADE[each.age], each.closed_at, each.received)
            for number, each in enumerate(life.taken)
            if self._is_in_force(each, place)
        ]
        arrived = _MADE[0] if life.things[place].is_new else _MADE[2]
        when = delays.due(those, arrived, _DELAY)
        return when is not None and when[0] <= _NOW

    def _purged(self, life: Life, place: int, *, is_found: bool) -> Life | BrokenError:
        thing, name = life.things[place], _NAMES[place]
        if thing.standing != "withdrawn":
            return BrokenError(f"What is {thing.standing} is purged (laws 8 and 9): {name}.")
        rightful = self._rightful(life, place)
        if not rightful or thing.is_new or any(each.age < 2 or each.closed_at is None for each in rightful):
            return BrokenError(f"Bytes of {name} are purged before their time (laws 7 and 9).")
        # One that came again while the bytes of its first tombstone are owed has both removed together.
        return _put(life, place, Thing("purged", owed=True, stray=thing.stray, is_found=is_found))

    # --- the peer ---

    def _peer(self, life: Life) -> Iterator[tuple[str, Life | BrokenError]]:
        if life.things[0].standing == "live" and life.peer in ("", "owed again"):
            yield "the image is sent to the peer", life._replace(peer="sent")
        if life.peer == "sent":
            yield f"{BY_ITSELF}what was sent is written down", self._recorded(life)
        for number, each in enumerate(life.taken):
            if each.told == "owed" and each.note == "live":
                yield "the peer is given the rejection note", _take(life, number, each._replace(told="given"))

    def _recorded(self, life: Life) -> Life:
        """As `record_given`: what has been withdrawn meanwhile is owed with its note, in the same transaction."""
        taken = tuple(
            each._replace(told=each.told or "owed")
            if each.note in ("prepared", "live") and self._is_in_force(each, 0) and life.things[0].standing
            else each
            for each in life.taken
        )
        return life._replace(peer="given", taken=taken)


def _put(life: Life, place: int, thing: Thing) -> Life:
    things = (thing, life.things[1]) if place == 0 else (life.things[0], thing)
    return life._replace(things=things)


def _take(life: Life, number: int, one: Taken) -> Life:
    return life._replace(taken=(*life.taken[:number], one, *life.taken[number + 1 :]))
