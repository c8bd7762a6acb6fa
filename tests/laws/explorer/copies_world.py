"""One instance, one archive that may lie or fail, deliveries to it, commitment, eviction, recall, expiry and a hold.

Of the product: the guards of evicting, of evidence and promises, of what is sent otherwise than it is stored, of what
comes back, of purges and holds; and the states of a request for commitment. Modelled beside: how rows follow from a
step, as `holdings.removing.evicting`, `lifecycle.archives`, `delivery.orders.carrying_out` and
`delivery.archives.recall` have it; moments, only as far as one is before another; that one delivery at a time goes to
the archive and none while a recall is under way, and that few requests for commitment are remembered.

What the laws say is kept beside the rows: what the archive was sent last, and whether it has given its word for it
since. So a word that came late, twice, after a failure, or for other bytes is none, whatever a row says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

from kinote.catalog.sql.guards import Guard, hold
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.lifecycle import guards
from kinote.lifecycle.archives import request_states
from kinote.lifecycle.archives.request_states import Event, State
from kinote.storage.read_in_place import FIRST_IN_PLACE
from tests.laws.explorer.exploring import BY_ITSELF, BrokenError
from tests.scale import SCALE

#: The bytes that were received, and others.
_THESE, _OTHERS = "these bytes", "other bytes"

#: Moments, only as far as one is before another.
_BEFORE, _THEN, _AFTER = "1", "2", "3"

#: Requests for commitment that are remembered. Two make thirty times the states of one, for the long form.
_MOST_ASKED = 2 if SCALE.ways > 100 else 1


@dataclass(frozen=True)
class CopyTables:
    """What decides, as the product has it."""

    can_be_evicted: Sequence[Guard] = guards.CAN_BE_EVICTED
    evicted_not_on_hold: Sequence[Guard] = guards.NOT_ON_HOLD
    word_counts: Sequence[Guard] = guards.WORD_COUNTS
    is_promised: Sequence[Guard] = guards.IS_PROMISED
    is_acknowledged: Sequence[Guard] = guards.IS_ACKNOWLEDGED
    becomes_promise: Sequence[Guard] = guards.BECOMES_PROMISE
    can_go_otherwise: Sequence[Guard] = guards.CAN_GO_OTHERWISE
    can_get_bytes: Sequence[Guard] = guards.CAN_GET_BYTES
    is_given_back: Sequence[Guard] = guards.IS_GIVEN_BACK
    can_be_purged: Sequence[Guard] = guards.CAN_BE_PURGED
    purged_not_on_hold: Sequence[Guard] = guards.NOT_ON_HOLD
    expires_not_on_hold: Sequence[Guard] = guards.NOT_ON_HOLD


class Row(NamedTuple):
    """The instance, as guards read it."""

    standing: str = "live"
    residence: str = "local"
    digest: str = _THESE
    sop_class_uid: str = "an image"
    file_key: str | None = "a file"
    store: int = 1


class Evidence(NamedTuple):
    """The row of what the archive has of it."""

    evidence: str
    digest: str
    is_old: bool = False


class Asked(NamedTuple):
    """A request for commitment, and the archive's result: "", "committed" or "failed"."""

    state: State = State.ASKED
    said: str = ""
    #: The evidence was written to since the request was made.
    is_outdated: bool = False
    #: By the laws the result says nothing, because of what the archive was sent, or has said, since.
    is_void: bool = False


class Copy(NamedTuple):
    row: Row = Row()
    at_archive: Evidence | None = None
    asked: tuple[Asked, ...] = ()
    proof: str = ""
    suspended_at: str = ""
    is_enabled: bool = True
    is_on_hold: bool = False
    #: What is on its way to the archive, and how it goes: "", "as stored", "re-encoded", "corrected".
    going: str = ""
    #: What is on its way back.
    coming: str = ""
    #: The bytes of an evicted or purged row are to be removed.
    owes_removal: bool = False
    #: What the laws say of the archive: what it was sent last, "" "these bytes" or "other bytes"; its word for it, "",
    #: "young" or "old"; and whether it has broken one since people last said that it counts.
    was_sent: str = ""
    word: str = ""
    has_failed: bool = False
    #: The archive has changed the only copy, and people were told.
    is_told: bool = False


#: What never goes, though an archive should have committed to it.
_OTHER_KINDS = (
    ("a key object", Row(sop_class_uid=KEY_OBJECT_SELECTION)),
    ("what lies in the index", Row(file_key=None)),
    ("another system's file", Row(store=FIRST_IN_PLACE + 1)),
)


#: What an archive has committed to that has proved a recall.
_PROMISED = Copy(at_archive=Evidence("committed", _THESE), proof="proved", was_sent=_THESE, word="young")


class CopiesWorld:
    """With all that an archive may do, or with withdrawals and holds: together they would be millions of states."""

    def __init__(self, tables: CopyTables | None = None, *, is_withdrawn: bool) -> None:
        self.tables = tables or CopyTables()
        self.is_withdrawn = is_withdrawn

    def starts(self) -> Iterator[Copy]:
        yield _PROMISED if self.is_withdrawn else Copy()
        # A promise of what was under this UID before.
        yield _PROMISED._replace(at_archive=Evidence("committed", _OTHERS), was_sent=_OTHERS, word="")
        for _, row in _OTHER_KINDS:
            yield _PROMISED._replace(row=row)

    def ends_by_itself(self, copy: Copy) -> bool:
        """Nothing is under way, nothing is to be removed, and no result is waited for."""
        return not (
            copy.going
            or copy.coming
            or copy.owes_removal
            or any(each.state is State.ASKED for each in copy.asked)
        )

    # --- what must hold ---

    def breach(self, copy: Copy) -> str:
        row = copy.row
        if (row.standing == "purged") != (row.residence == "none"):
            return f"A row that is {row.standing} has the residence {row.residence} (law 8)."
        if row.residence == "remote" and copy.was_sent != _THESE and not copy.is_told:
            return "The only copy is at an archive that has other bytes by now (law 9)."
        if row.digest != _THESE and copy.coming == "":
            return "Other bytes are passed off as the object (law 7)."
        return ""

    def steps(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        if copy.row not in (each for _, each in _OTHER_KINDS):
            yield from self._recalled(copy)
            if not copy.coming:
                yield from self._sent(copy)
            if self.is_withdrawn:
                yield from self._withdrawn(copy)
            elif not copy.coming:
                yield from self._committed(copy)
                yield from self._of_the_archive(copy)
        if self.is_withdrawn:
            said = "ends the" if copy.is_on_hold else "places a"
            yield f"a person {said} hold", copy._replace(is_on_hold=not copy.is_on_hold)
        if self._may_be_evicted(copy):
            yield "it is evicted", self._evicted(copy)
        if copy.owes_removal:
            yield f"{BY_ITSELF}the file is removed", copy._replace(owes_removal=False)

    # --- deliveries ---

    def _sent(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        if copy.going:
            yield from self._answered(copy)
            return
        if copy.row.standing != "live":
            return
        if copy.row.residence == "local":
            yield "it is sent as it is stored", copy._replace(going="as stored")
        for how in ("re-encoded", "corrected"):
            yield f"it is sent {how}", self._goes_otherwise(copy, how)

    def _goes_otherwise(self, copy: Copy, how: str) -> Copy | BrokenError:
        """As `other_bytes_go_out`."""
        if copy.at_archive is not None:
            if not hold(self.tables.can_go_otherwise, copy.row):
                return copy
            copy = copy._replace(at_archive=None)
        if copy.row.residence == "remote":
            return BrokenError("The archive gets other bytes in place of the only copy (law 9).")
        return self._void(copy)._replace(going=how, was_sent=_OTHERS, word="")

    def _answered(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        ended = copy._replace(going="")
        yield f"{BY_ITSELF}the association ends in mid-object", ended
        yield "the archive refuses it", ended
        sent = SimpleNamespace(kind="completed")
        yield "the archive takes it", self._taken(copy, sent)
        yield "the archive takes it, and does not store it", self._taken(copy, sent)
        changed = self._taken(copy, SimpleNamespace(kind="warning"))
        yield "the archive takes it, and says that it has changed it", changed

    def _taken(self, copy: Copy, sent: SimpleNamespace) -> Copy:
        """As `_Page._note`, and `acknowledged`."""
        ended = copy._replace(going="")
        if sent.kind == "warning":
            ended = self._void(ended)._replace(was_sent=_OTHERS, word="")
            if copy.at_archive is not None and copy.row.residence == "local":
                ended = ended._replace(at_archive=None)
            elif copy.at_archive is not None:
                # It can be recalled; no commitment to its UID makes it a promise.
                weaker = Evidence("acknowledged", "")
                told = ended._replace(suspended_at="now", has_failed=True, is_told=True)
                ended = self._heard(told, weaker)
        elif copy.going == "as stored":
            ended = ended._replace(was_sent=copy.row.digest)
        if not hold(self.tables.is_acknowledged, sent, copy.going != "as stored"):
            return ended
        if ended.at_archive is None or ended.at_archive.evidence != "committed":
            ended = self._heard(ended, Evidence("acknowledged", ended.row.digest))
        return ended

    def _void(self, copy: Copy) -> Copy:
        """What the archive has said before is not about what it has now."""
        return copy._replace(asked=tuple(each._replace(is_void=bool(each.said)) for each in copy.asked))

    def _heard(self, copy: Copy, evidence: Evidence | None) -> Copy:
        asked = tuple(each._replace(is_outdated=True) for each in copy.asked)
        return copy._replace(at_archive=evidence, asked=asked)

    # --- commitment ---

    def _committed(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        found = copy.at_archive
        is_asked = any(each.state is State.ASKED for each in copy.asked)
        wants = (
            found is not None and bool(found.digest) and (found.evidence == "acknowledged" or found.is_old)
        )
        if wants and not is_asked and copy.row.standing == "live" and len(copy.asked) < _MOST_ASKED:
            yield "the archive is asked for commitment", copy._replace(asked=(*copy.asked, Asked()))
        for place, each in enumerate(copy.asked):
            which = ("", "the later of two: ")[place]
            if each.state is State.ASKED:
                late = each._replace(state=request_states.TRANSITIONS[each.state, Event.TIME_UP])
                yield f"{BY_ITSELF}{which}no result comes in time", self._put(copy, place, late)
            if not each.said:
                for said in ("committed", "failed"):
                    # Whatever it has: it may lie.
                    about_others = copy.was_sent != copy.row.digest
                    answered = each._replace(said=said, is_void=about_others)
                    yield f"{which}the archive answers: {said}", self._put(copy, place, answered)
            else:
                yield f"{which}the result comes: {each.said}", self._result(copy, place, each)
            if each.state is not State.ASKED:
                left = tuple(one for at, one in enumerate(copy.asked) if at != place)
                yield f"{which}nothing more comes of the request", copy._replace(asked=left)

    def _put(self, copy: Copy, place: int, one: Asked) -> Copy:
        return copy._replace(asked=(*copy.asked[:place], one, *copy.asked[place + 1 :]))

    def _result(self, copy: Copy, place: int, each: Asked) -> Copy:
        """As `take_result`. It may come again."""
        settled = each._replace(state=request_states.TRANSITIONS[each.state, Event.RESULT])
        is_first = each.state is not State.ANSWERED
        after = self._put(copy, place, settled)
        if each.said == "failed":
            after = self._void(after)._replace(suspended_at="now", has_failed=True, word="")
            if copy.at_archive is None:
                return after
            kept = (
                None if copy.row.residence == "local" else copy.at_archive._replace(evidence="acknowledged")
            )
            return self._heard(after, kept)
        if is_first and not each.is_void:
            after = after._replace(word="young")
        if copy.at_archive is None:
            return after
        location = SimpleNamespace(at=_AFTER if each.is_outdated else _BEFORE)
        if hold(self.tables.becomes_promise, location, SimpleNamespace(made_at=_THEN)):
            after = self._heard(after, copy.at_archive._replace(evidence="committed", is_old=False))
        return after

    # --- the archive ---

    def _of_the_archive(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        if copy.at_archive is not None and not copy.at_archive.is_old:
            aged = copy.at_archive._replace(is_old=True)
            yield "its evidence ages", copy._replace(at_archive=aged, word="old" if copy.word else "")
        if copy.at_archive is not None and copy.row.residence == "local" and not copy.proof:
            yield "a recall proves the archive", copy._replace(proof="proved")
            refused = copy._replace(proof="refused", suspended_at="now", has_failed=True)
            yield "a recall shows that the archive changes objects", refused
        if not copy.suspended_at:
            failed = copy._replace(suspended_at="now", has_failed=True)
            yield "the archive fails with another object", failed
        else:
            proof = "" if copy.proof == "refused" else copy.proof
            yield (
                "a person lets its promises count again",
                copy._replace(suspended_at="", has_failed=False, proof=proof),
            )
        if not copy.is_enabled:
            yield "the peer is enabled", copy._replace(is_enabled=True)
        elif self._may_be_evicted(copy):
            yield "the peer is disabled", copy._replace(is_enabled=False)

    # --- eviction and recall ---

    def _may_be_evicted(self, copy: Copy) -> bool:
        found = copy.at_archive
        if found is None or not hold(self.tables.word_counts, copy):
            return False
        location = SimpleNamespace(
            evidence=found.evidence, digest=found.digest, at=_BEFORE if found.is_old else _THEN
        )
        return (
            hold(self.tables.is_promised, location, copy.row, _THEN)
            and hold(self.tables.can_be_evicted, copy.row)
            and hold(self.tables.evicted_not_on_hold, copy.is_on_hold)
        )

    def _evicted(self, copy: Copy) -> Copy | BrokenError:
        row = copy.row
        for kind, other in _OTHER_KINDS:
            if row == other:
                return BrokenError(f"{kind} is evicted (laws 7 and 8).")
        if row.standing != "live":
            return BrokenError(f"What is {row.standing} is evicted (law 9).")
        if row.residence != "local":
            return BrokenError(f"Bytes are evicted that are not here: {row.residence} (law 8).")
        if copy.is_on_hold:
            return BrokenError("What is on hold is evicted (law 9).")
        if copy.was_sent != row.digest or copy.word != "young":
            return BrokenError("Bytes are evicted to which no archive has committed (law 9).")
        if copy.has_failed or copy.proof != "proved" or not copy.is_enabled:
            return BrokenError(
                "Bytes are evicted on the word of an archive whose word does not count (law 9)."
            )
        return copy._replace(row=row._replace(residence="remote", file_key=None), owes_removal=True)

    def _recalled(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        row = copy.row
        if copy.coming:
            yield f"{BY_ITSELF}the recall ends without it", copy._replace(coming="")
            yield f"{BY_ITSELF}what was recalled is filed", self._filed(copy)
            return
        if row.standing != "live" or copy.going:
            return
        if row.residence == "local" and self.is_withdrawn:
            yield "its bytes are found damaged", copy._replace(row=row._replace(residence="damaged"))
        if row.residence in ("remote", "damaged") and copy.at_archive is not None:
            yield "a reader has it recalled", copy._replace(coming=_THESE)
            yield "a reader has it recalled, and the archive gives other bytes", self._gives_other(copy)

    def _gives_other(self, copy: Copy) -> Copy:
        if hold(self.tables.is_given_back, _OTHERS, copy.row):
            return copy._replace(coming=_OTHERS)
        return copy._replace(proof="refused", suspended_at="now", has_failed=True)

    def _filed(self, copy: Copy) -> Copy | BrokenError:
        row, back = copy.row, copy._replace(coming="")
        if row.residence == "local" or not hold(self.tables.can_get_bytes, row):
            return back
        if row.standing == "purged":
            return BrokenError("A tombstone gets bytes (law 8).")
        if copy.coming != row.digest:
            return BrokenError("Other bytes are passed off as the object (law 7).")
        return back._replace(row=row._replace(residence="local", file_key="a file"))

    # --- withdrawals ---

    def _withdrawn(self, copy: Copy) -> Iterator[tuple[str, Copy | BrokenError]]:
        row = copy.row
        if row.standing == "live":
            yield "it is withdrawn", copy._replace(row=row._replace(standing="withdrawn"))
            if hold(self.tables.expires_not_on_hold, copy.is_on_hold):
                yield "it expires", self._expired(copy)
        if row.standing == "withdrawn":
            yield "its withdrawal is undone", copy._replace(row=row._replace(standing="live"))
        # The reaper, which may have found it before.
        if (
            row.standing != "purged"
            and hold(self.tables.can_be_purged, row)
            and hold(self.tables.purged_not_on_hold, copy.is_on_hold)
        ):
            yield "the reaper purges it", self._purged(copy)

    def _expired(self, copy: Copy) -> Copy | BrokenError:
        if copy.is_on_hold:
            return BrokenError("What is on hold expires (law 9).")
        return copy._replace(row=copy.row._replace(standing="withdrawn"))

    def _purged(self, copy: Copy) -> Copy | BrokenError:
        row = copy.row
        if row.standing != "withdrawn":
            return BrokenError(f"What is {row.standing} is purged (laws 8 and 9).")
        if copy.is_on_hold:
            return BrokenError("What is on hold is purged (law 9).")
        owes = copy.owes_removal or row.file_key is not None
        return copy._replace(
            row=row._replace(standing="purged", residence="none", file_key=None), owes_removal=owes
        )
