"""Does the steps of `objects_world` with the product itself, on a real index, and compares what both then say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.model import Reference
from kinote.lifecycle.acts import QUALITY, RETENTION_EXPIRED, SAFETY
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.lifecycle.purging.tombstones import entomb
from kinote.lifecycle.rejection.proposals import refuse
from kinote.lifecycle.rejection.rules import Effect
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.acts.undo_windows import close_window
from tests.actors import ROE
from tests.laws.explorer.objects_world import _DELAY, _MADE, _NOW, Life, ObjectsWorld
from tests.lifecycle.rejected import (
    ARCHIVE,
    EXPIRED,
    RULES,
    STRANGER,
    image,
    receive,
    rejection,
    with_title,
)
from tests.lifecycle.rejected import QUALITY as QUALITY_TITLE
from tests.lifecycle.rejected import SAFETY as SAFETY_TITLE
from tests.notes.sample_studies import KEY_OBJECT, key_object, place

_IMAGE, _OTHER, _DOCUMENT = "1.2.1.1.1", "1.2.1.1.2", "1.2.1.70.1"
_NAMES = (_IMAGE, _DOCUMENT)
_ACTS = {each.name: each for each in (QUALITY, SAFETY, RETENTION_EXPIRED)}
_TITLES = {QUALITY.name: QUALITY_TITLE, SAFETY.name: SAFETY_TITLE, RETENTION_EXPIRED.name: EXPIRED}
_PEER = Receiver(1)


class Replay:
    """An index that goes through the steps of a world."""

    def __init__(self, catalog: Catalog, world: ObjectsWorld) -> None:
        self.catalog = catalog
        self.world = world
        #: The rows of each withdrawal: a rejection of images and of key objects may have two.
        self.taken: list[list[int]] = []
        self._doing = {
            r"by itself: the image is filed": lambda: self._receive(image(_IMAGE)),
            r"a person withdraws (.+) \((.+)\)": self._withdraw,
            r"a (peer|stranger) rejects (.+) \((.+)\)(.*)": self._reject,
            r"by itself: the time of its (undo window|delay) passes for the (\w+) withdrawal": self._age,
            r"by itself: the undo window of the (\w+) withdrawal closes": self._close,
            r"a person undoes the (\w+) withdrawal.*": self._undo,
            r"a person refuses the (\w+) withdrawal": self._refuse,
            r"time passes for the image": lambda: self._set("instance", "received_at", _MADE[2]),
            r"the reaper purges the image.*": self._purge,
            r"by itself: what was sent is written down": lambda: self._give(_IMAGE),
            r"the peer is given the rejection note": lambda: self._give(*self._notes()),
            # What leaves no trace in the index.
            r"the bytes of the image arrive|by itself: a crash.*|the reaper finds .*|by itself: the bytes of .*": (
                lambda: None
            ),
            r"the image is sent to the peer": lambda: None,
        }
        # The document is there from the start; the image that it flags is another one.
        self._receive(image(_OTHER), key_object(_DOCUMENT, _OTHER))

    def do(self, step: str) -> None:
        for pattern, does in self._doing.items():
            if found := re.fullmatch(pattern, step):
                does(*found.groups())  # type: ignore[operator]
                return
        raise AssertionError(f"Nobody knows how to do this: {step}")

    # --- the steps ---

    def _receive(self, *datasets: bytes, **options: Any) -> None:
        receive(self.catalog, *datasets, now=_NOW, **options)

    def _withdraw(self, what: str, act: str) -> None:
        key = self._write(
            lambda transaction: reject(
                transaction,
                _named(what),
                act=_ACTS[act],
                text="",
                by=ROE,
                now=_NOW,
                undo_window=_ACTS[act].undo_window,
            )
        )
        self.taken.append([key])

    def _reject(self, who: str, what: str, act: str, rule: str) -> None:
        number = 80 + len(self.taken)
        named = [Reference(place(uid, KEY_OBJECT)) if uid == _DOCUMENT else uid for uid in _named(what)]
        note = rejection(f"1.2.1.{number}.1", *named, title=_TITLES[act])
        rules = with_title(QUALITY_TITLE, effect=Effect.MARKED) if rule else RULES
        before = self._keys()
        self._receive(note, by=ARCHIVE if who == "peer" else STRANGER, rules=replace(rules))
        self.taken.append(sorted(self._keys() - before))

    def _age(self, until: str, which: str) -> None:
        for key in self._those(which):
            self._set("withdrawal", "made_at", _MADE[1 if until == "undo window" else 2], key)

    def _close(self, which: str) -> None:
        for key in self._those(which):
            assert self._write(lambda transaction, key=key: close_window(transaction, key, now=_NOW))

    def _undo(self, which: str) -> None:
        for key in self._those(which):
            self._write(lambda transaction, key=key: undo_withdrawal(transaction, key, by=ROE, now=_NOW))

    def _refuse(self, which: str) -> None:
        # One decision is about all that the note asks for.
        key = self._those(which)[0]
        self._write(lambda transaction: refuse(transaction, key, reason="no", by=ROE, now=_NOW))

    def _purge(self) -> None:
        (row,) = self._rows(
            "SELECT id FROM instance WHERE sop_instance_uid = :uid AND is_current = 1", uid=_IMAGE
        )
        assert len(self._write(lambda transaction: entomb(transaction, [row.id], _DELAY, _NOW))) == 1

    def _give(self, *uids: str) -> None:
        given = [Given(uid, _PEER, State.GIVEN, "", "C-MOVE", _NOW) for uid in uids]
        self._write(lambda transaction: record_given(transaction, given))

    # --- what there is then ---

    def differences(self, life: Life) -> Iterator[str]:
        """What the index says otherwise than the world."""
        for uid, thing in zip(_NAMES, life.things, strict=True):
            rows = self._rows(
                "SELECT standing, residence FROM instance WHERE sop_instance_uid = :uid AND is_current = 1",
                uid=uid,
            )
            found = rows[0].standing if rows else ""
            if found != thing.standing:
                yield f"{uid} is {found}, and not {thing.standing}"
        for number, (keys, each) in enumerate(zip(self.taken, life.taken, strict=True), start=1):
            for at, uid in enumerate(_NAMES):
                ought = self.world._is_in_force(each, at)
                if self._is_in_force(keys, uid) is not ought:
                    yield f"withdrawal {number} is {'' if ought else 'not '}in force of {uid} in the world alone"
            rows = [
                row for key in keys for row in self._rows("SELECT * FROM withdrawal WHERE id = :id", id=key)
            ]
            if any((row.undone_at is None) != (each.undone_at is None) for row in rows):
                yield f"withdrawal {number}: undone"
            if any((row.closed_at is None) != (each.closed_at is None) for row in rows):
                yield f"withdrawal {number}: closed"
            note, told = self._note(keys[0])
            if not each.received and (note, told) != (each.note, each.told):
                yield f"withdrawal {number}: its note is {note!r}, {told!r}, and not {each.note!r}, {each.told!r}"
        if life.peer != "sent":
            peer = {"owed": "owed again"}.get(self._delivery(_IMAGE), self._delivery(_IMAGE))
            if peer != life.peer:
                yield f"the peer has {peer!r}, and not {life.peer!r}"

    def _is_in_force(self, keys: list[int], uid: str) -> bool:
        return any(
            self._rows(
                "SELECT 1 FROM withdrawal w JOIN withdrawal_target t ON t.withdrawal = w.id WHERE w.id = :id "
                "AND t.sop_instance_uid = :uid AND w.undone_at IS NULL AND w.effect = 'hidden' AND t.spared = ''",
                id=key,
                uid=uid,
            )
            for key in keys
        )

    def _note(self, key: int) -> tuple[str, str]:
        rows = self._rows("SELECT * FROM rejection_note WHERE withdrawal = :id", id=key)
        if not rows:
            return "", ""
        (row,) = rows
        told = self._delivery(row.sop_instance_uid)
        if row.dataset is not None:
            return "prepared", told
        (instance,) = self._rows(
            "SELECT standing FROM instance WHERE sop_instance_uid = :uid", uid=row.sop_instance_uid
        )
        return instance.standing, told

    def _delivery(self, uid: str) -> str:
        rows = self._rows("SELECT state FROM delivery WHERE sop_instance_uid = :uid", uid=uid)
        return str(rows[0].state) if rows else ""

    def _notes(self) -> list[str]:
        return [
            row.uid
            for row in self._rows(
                "SELECT n.sop_instance_uid AS uid FROM rejection_note n JOIN delivery d "
                "ON d.sop_instance_uid = n.sop_instance_uid WHERE d.state = 'owed'"
            )
        ]

    def _keys(self) -> set[int]:
        return {row.id for row in self._rows("SELECT id FROM withdrawal")}

    def _those(self, which: str) -> list[int]:
        return self.taken[("first", "second").index(which)]

    def _set(self, table: str, column: str, value: str, key: int | None = None) -> None:
        condition = "id = :key" if key is not None else "sop_instance_uid = :key AND is_current = 1"
        statement = text(f"UPDATE {table} SET {column} = :value WHERE {condition}")  # noqa: S608
        values = {"value": value, "key": _IMAGE if key is None else key}
        self._write(lambda transaction: transaction.execute(statement, values))

    def _write(self, work: Any) -> Any:
        return self.catalog.write(work)

    def _rows(self, query: str, **values: Any) -> list[Any]:
        def read(connection: Connection) -> list[Any]:
            return list(connection.execute(text(query), values))

        with self.catalog.read() as connection:
            return read(connection)


def _named(what: str) -> list[str]:
    return [_IMAGE] if what == "the image" else [_IMAGE, _DOCUMENT]
