"""The acts that people and machines do to the product, done to it and told to the model.

Each act looks at its answer, and at what the change feed says of it, as the model foresees both. What only
the product can know (new UIDs, numbers of notes) is taken from the feed and held to from then on.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pydicom

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from tests.actors import ROE
from tests.kept_bytes import left_behind
from tests.laws.arrivals import KEY_OBJECT, PATIENTS, STUDIES, Arriving, Flag, KeyObject
from tests.laws.model import Kept, Model, Note, Version, Withdrawal
from tests.laws.product import LIMIT, Json, Product, Seen

What = tuple[str, str, str, int | None]


#: How the feed tells of a document that came, by what it is.
REGISTERED = {
    "mark": "note registered",
    "rejection": "rejection note registered",
    "manifest": "manifest registered",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A note that somebody asks for: images, and what is written under them."""

    uids: tuple[str, ...]
    text: str = ""

    @property
    def body(self) -> Json:
        return {
            "title": {"scheme": "DCM", "value": "113000"},
            "description": self.text,
            "author": {"name": "Doe^Jane"},
            "references": [{"sop_instance_uid": uid} for uid in self.uids],
        }


class Acts:
    """A product and its model, and what can be done to both."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.model = Model()
        #: All that the change feed has said so far.
        self.feed: list[Seen] = []
        #: The studies of what the last act was about.
        self.touched: set[str] = set()
        #: Keys of withdrawals that are no note's, by their place in the model.
        self.withdrawal_keys: dict[int, int] = {}

    # --- objects come in ---

    def receive(self, *arriving: Arriving) -> list[str]:
        """Let objects with different UIDs in, all at once; gives what became of each."""
        fates = [self.model.fate(each) for each in arriving]
        outcomes = self.product.receive([each.file for each in arriving])
        assert [outcome.kind for outcome in outcomes] == fates
        stored = [each for each, fate in zip(arriving, fates, strict=True) if fate == "stored"]
        documents = [each for each in stored if isinstance(each, KeyObject)]
        readable = {each.uid: each for each in documents if not each.broken}
        foreseen: list[What] = [
            ("instance held" if fate == "held" else "instance stored", each.lies_in, each.uid, None)
            for each, fate in zip(arriving, fates, strict=True)
            if fate != "known"
        ]
        seen = self._changes(len(foreseen) + len(readable))
        for each, fate in zip(arriving, fates, strict=True):
            if fate != "known":
                self.model.take(each)
        # In the order of the feed: that is the one in which they were registered.
        for change in [change for change in seen if change.kind in REGISTERED.values()]:
            assert change.note is not None
            document = readable.pop(change.uid)
            assert change.kind == REGISTERED[document.kind]
            self._register(document, change.note)
            foreseen.append(change.what)
        self._agree(seen, foreseen)
        return fates

    def _register(self, document: KeyObject, number: int) -> None:
        same = self.model.note_of(document)
        if same is None:
            assert number not in self.model.notes, f"note {number} is not what {document} says"
        else:
            assert number == same.number, f"{document} is note {same.number} again"
        self.model.register(document, number)

    def send_back(self, uid: str) -> None:
        """What can be had of the product is known to it when it comes in again."""
        known = self.model.objects[uid]
        answer = self.product.client.get(
            f"/dicomweb/studies/{known.study}/series/{known.series}/instances/{uid}",
            headers={"Accept": "application/dicom; transfer-syntax=*"},
        )
        assert answer.status_code == 200
        (outcome,) = self.product.receive([answer.content])
        assert outcome.kind == "known"
        self._agree(self._changes(0), [])

    def read_again(self, uid: str) -> None:
        """A key object is read again by the reader that read it before: nothing is another than it was."""
        known = self.model.objects.get(uid)
        answer = self.product.client.post(f"/api/v1/instances/{uid}/register")
        if known is None:
            assert answer.status_code == 404, answer.text
        elif known.sop_class != KEY_OBJECT or self.model.is_withdrawn(uid):
            assert answer.status_code == 409, answer.text
        else:
            became = answer.json()
            assert (became["changed"], became["was"]) == (False, became["registration"])
            assert (became["registration"] == "unreadable") == known.broken
            assert became["note"] == (None if known.broken else self.model.by_any_document(uid).number)
        self._agree(self._changes(0), [])

    def discard(self, which: int) -> int:
        """Decide against a held copy, and find that it cannot be decided twice; gives its number."""
        item = self.product.items("held")[which]
        path = f"/api/v1/held/{item['id']}"
        gone = next(
            each
            for each in self.model.held
            if (each.uid, each.study) == (item["sop_instance_uid"], item["study_instance_uid"])
            and self.product.client.get(f"{path}/file").content.endswith(each.dataset)
        )
        assert (
            self.product.client.post(path, json={"decision": "keep first", "text": "Sent twice"}).status_code
            == 200
        )
        self.model.held.remove(gone)
        self._agree(self._changes(1), [("held copy discarded", gone.study, gone.uid, None)])
        self.decide_again(item["id"])
        return int(item["id"])

    def decide_again(self, number: int) -> None:
        """The number of a held copy that was decided about never means another one."""
        answer = self.product.client.post(
            f"/api/v1/held/{number}", json={"decision": "keep first", "text": "Sent twice"}
        )
        assert answer.status_code == 404, "a copy was discarded that nobody has decided about"
        self._agree(self._changes(0), [])

    # --- notes ---

    def make(self, asked: Asked) -> int | None:
        """Make a note in the study of its first image; None where it is rightly refused."""
        first = self.model.objects.get(asked.uids[0])
        study = first.study if first else "1.2.1"
        answer = self.product.client.post(f"/api/v1/studies/{study}/notes", json=asked.body)
        if not self._may_be_flagged(asked, kept_flags=()):
            assert answer.status_code == 422, answer.text
            self._agree(self._changes(0), [])
            return None
        assert answer.status_code == 201, answer.text
        made = answer.json()
        version = self._version(asked)
        self.model.notes[made["id"]] = Note(made["id"], "authored", [version])
        foreseen = self._adopt_documents(made, version, first=study)
        foreseen.append(("note made", study, "", made["id"]))
        self._agree(self._changes(len(foreseen)), foreseen)
        return int(made["id"])

    def revise(self, number: int, asked: Asked, *, seen_version: int | None = None) -> bool:
        """Revise a note, having seen some version of it; whether it was done, and not rightly refused."""
        note = self.model.notes[number]
        current = len(note.versions)
        seen_version = current if seen_version is None else seen_version
        answer = self.product.client.request(
            "PUT", f"/api/v1/notes/{number}", json=asked.body, headers={"If-Match": f'"{seen_version}"'}
        )
        refusal = self._refusal(note, seen_version)
        if refusal == 0 and note.origin != "authored":
            refusal = 409
        if refusal == 0 and not self._may_be_flagged(asked, kept_flags=note.current.flags):
            refusal = 422
        if refusal:
            assert answer.status_code == refusal, answer.text
            self._agree(self._changes(0), [])
            return False
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == current + 1
        replaced = self.model.carriers(note)
        first = self.model.objects[replaced[0]].study
        version = self._version(asked, note.current.flags)
        note.versions.append(version)
        foreseen = self._adopt_documents(answer.json(), version, first=first)
        foreseen.append(("note revised", self.model.objects[version.documents[0]].study, "", number))
        self._see_rejected(replaced, foreseen)
        return True

    def withdraw_note(self, number: int, *, seen_version: int | None = None) -> bool:
        """Withdraw a note; whether it was done, and not rightly refused."""
        note = self.model.notes[number]
        headers = {} if seen_version is None else {"If-Match": f'"{seen_version}"'}
        answer = self.product.client.request(
            "DELETE",
            f"/api/v1/notes/{number}",
            params={"reason": "blurred"},
            headers={"Kinote-Actor": "roe", **headers},
        )
        refusal = self._refusal(note, seen_version)
        if refusal:
            assert answer.status_code == refusal, answer.text
            self._agree(self._changes(0), [])
            return False
        assert answer.status_code == 200, answer.text
        withdrawn = self.model.carriers(note)
        first = self.model.objects[withdrawn[0]].study
        self._see_rejected(withdrawn, [("note withdrawn", first, "", number)])
        return True

    def _refusal(self, note: Note, seen_version: int | None) -> int:
        """The status that refuses any change to a note, 0 for none."""
        if seen_version not in (None, len(note.versions)):
            return 412
        return 409 if note.current.kind == "rejection" or not self.model.carriers(note) else 0

    def _may_be_flagged(self, asked: Asked, kept_flags: Iterable[Flag]) -> bool:
        """Whether these can be flagged together: each once, live (or flagged already), of one patient."""
        already = {each.uid for each in kept_flags}
        if len(set(asked.uids)) < len(asked.uids):
            return False
        fresh = [uid for uid in asked.uids if uid not in already]
        if any(uid not in self.model.objects or self.model.is_withdrawn(uid) for uid in fresh):
            return False
        known = [uid for uid in asked.uids if uid in self.model.objects]
        return not fresh or len({PATIENTS[self.model.objects[uid].study] for uid in known}) == 1

    def _version(self, asked: Asked, kept_flags: Iterable[Flag] = ()) -> Version:
        already = {each.uid: each for each in kept_flags}
        flags = tuple(already.get(uid) or Flag(uid, self.model.objects[uid].study) for uid in asked.uids)
        return Version(flags, "mark", asked.text)

    def _adopt_documents(self, answer: Json, version: Version, *, first: str) -> list[What]:
        """Take the documents that a note has been given: one in each study that it touches."""
        touched = list(dict.fromkeys(each.said_study for each in version.flags))
        places = {each["sop_instance_uid"]: each["study_instance_uid"] for each in answer["key_objects"]}
        assert sorted(places.values()) == sorted(touched)
        version.documents = sorted(places, key=lambda uid: (places[uid] != first, touched.index(places[uid])))
        version.named = set(version.documents)
        for uid in version.documents:
            self._adopt(uid, places[uid], [each.uid for each in version.flags])
        return [("instance stored", places[uid], uid, None) for uid in version.documents]

    def _adopt(self, uid: str, study: str, flagged: Sequence[str]) -> None:
        """Take a document made by the product, once another reader finds in it what it ought to say."""
        assert uid not in self.model.objects
        (row,) = self.product.rows(
            "SELECT b.dataset FROM instance_bytes b JOIN live_instance i ON i.id = b.instance "
            "WHERE i.sop_instance_uid = :uid",
            uid=uid,
        )
        dataset = bytes(row.dataset)
        said = pydicom.dcmread(io.BytesIO(dataset), force=True)
        found = [
            item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            for item in said.ContentSequence
            if "ReferencedSOPSequence" in item
        ]
        assert (said.SOPInstanceUID, said.StudyInstanceUID, found) == (uid, study, list(flagged))
        self.model.objects[uid] = Kept(
            uid, study, said.SeriesInstanceUID, KEY_OBJECT, EXPLICIT_VR_LITTLE_ENDIAN, dataset
        )

    def _see_rejected(self, rejected: Sequence[str], foreseen: list[What]) -> None:
        """Documents are withdrawn, with a rejection note in each of their studies."""
        by_study: dict[str, list[str]] = {}
        for uid in rejected:
            by_study.setdefault(self.model.objects[uid].study, []).append(uid)
        seen = self._changes(len(foreseen) + 2 * len(by_study) + len(rejected))
        known = {each for each in foreseen if each[0] == "instance stored"}
        new = {
            each.study: each.uid for each in seen if each.kind == "instance stored" and each.what not in known
        }
        numbers = {each.study: each.note for each in seen if each.kind == "rejection note made"}
        assert set(new) == set(numbers) == set(by_study)
        for study, uids in by_study.items():
            number = numbers[study]
            assert number is not None
            self._adopt(new[study], study, uids)
            flags = tuple(Flag(uid, study) for uid in uids)
            version = Version(flags, "rejection", "", [new[study]])
            self.model.notes[number] = Note(number, "authored", [version])
            foreseen += [
                ("instance stored", study, new[study], None),
                ("rejection note made", study, "", number),
            ]
        self.model.withdrawals.append(Withdrawal(frozenset(rejected), frozenset(new.values())))
        foreseen += [self._settled("instance withdrawn", uid) for uid in rejected]
        self._agree(seen, foreseen)

    def _settled(self, kind: str, uid: str) -> What:
        return (kind, self.model.objects[uid].study, uid, None)

    # --- withdrawals that are no note's ---

    def withdraw(self, *uids: str) -> None:
        """Withdraw instances, come or not."""
        changing = self.model.changing(uids, "withdrawn")
        key = self.product.catalog.write(
            lambda transaction: withdraw(
                transaction, uids, act=QUALITY, text="blurred", by=ROE, now=datetime.now(UTC)
            )
        )
        self.withdrawal_keys[len(self.model.withdrawals)] = key
        self.model.withdrawals.append(Withdrawal(frozenset(uids)))
        foreseen: list[What] = [self._settled("instance withdrawn", uid) for uid in changing]
        self._agree(self._changes(len(foreseen)), foreseen)

    def undo(self, which: int) -> None:
        """Take back one of these withdrawals."""
        withdrawal = self.model.withdrawals[which]
        key = self.withdrawal_keys.pop(which)
        withdrawal.undone = True
        before = {uid for uid in withdrawal.uids if uid in self.model.objects}
        restored = sorted(uid for uid in before if not self.model.is_withdrawn(uid))
        self.product.catalog.write(lambda transaction: undo(transaction, key, by=ROE, now=datetime.now(UTC)))
        foreseen: list[What] = [self._settled("instance restored", uid) for uid in restored]
        self._agree(self._changes(len(foreseen)), foreseen)

    # --- the product itself ---

    def restart(self, left_behind_bytes: bytes = b"") -> None:
        """Close and open; a kill may have left a file half received and another without its row."""
        if left_behind_bytes:
            left_behind(self.product.stores, left_behind_bytes)
            left_behind(self.product.stores, left_behind_bytes, whole=False)
            left_behind(self.product.stores, left_behind_bytes, small=True)
        self.product.restart()
        assert self.product.recovered.set_aside == (3 if left_behind_bytes else 0)
        self._agree(self._changes(0), [])

    def lose_and_restore(self) -> None:
        """Lose everything, and restore it from a backup of just before: only the positions in the feed are others."""
        self.product.lose_and_restore()
        self.touched = set(STUDIES)
        again = self.product.changes()
        assert [each.what for each in again] == [each.what for each in self.feed]
        self.feed = again

    # --- the feed ---

    def _changes(self, foreseen: int) -> list[Seen]:
        """What the feed says that it has not said before.

        On PostgreSQL any transaction still open, also of another database, holds it back: so wait for what
        is foreseen, and no longer.
        """
        position = self.feed[-1].position if self.feed else ""
        deadline = time.monotonic() + LIMIT
        while True:
            seen = self.product.changes(position)
            if len(seen) >= foreseen or time.monotonic() > deadline:
                return seen
            time.sleep(0.005)

    def _agree(self, seen: list[Seen], foreseen: list[What]) -> None:
        assert sorted(map(repr, (each.what for each in seen))) == sorted(map(repr, foreseen))
        self.feed += seen
        named = {self.model.objects[each.uid].study for each in seen if each.uid in self.model.objects}
        self.touched = {each.study for each in seen if each.study} | named
