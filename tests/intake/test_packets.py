"""Packets of received objects: they come whole in any pieces, and one that is bad harms no other."""

from __future__ import annotations

import io
import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.files.part10 import find_dataset
from kinote.intake.arrival import Arrival
from kinote.intake.expected import BareDataSet
from kinote.intake.outcome import OUT_OF_RESOURCES, PROCESSING_FAILURE, Outcome
from kinote.intake.packets.frames import HEAD, LONGEST, BrokenChannelError, Frames, Kind, frame
from kinote.intake.packets.handing_on import HandingOn
from kinote.intake.packets.packet import FORMAT, decode_answer, decode_packet, encode_packet
from kinote.intake.packets.taking_on import Channel, Channels
from kinote.intake.receiver import Receiver
from kinote.keyobject.model import Reference
from kinote.keyobject.writer import encode_file
from kinote.storage.local import local_stores
from kinote.storage.stores import Stores
from kinote.telemetry.clock import ToldClock
from tests.actors import ORIGIN
from tests.clock import clock
from tests.dimse.bare import exactly
from tests.dimse.ends import eventually
from tests.intake.objects import CT, image
from tests.intake.test_receiver import data_set
from tests.kept_bytes import kept_places
from tests.keyobject.documents import document
from tests.keyobject.documents import instance as flagged

LARGE = 6000


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = local_stores(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores) -> Iterator[Receiver]:
    opened = Receiver(catalog, stores, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def channels(receiver: Receiver) -> Iterator[Channels]:
    opened = Channels(receiver)
    yield opened
    opened.close()


class Remote:
    """The receiver process's end of a channel, in this process."""

    def __init__(self, channels: Channels, stores: Stores) -> None:
        self.main: Channel
        self.main, self.socket = channels.open()
        self.socket.settimeout(60)
        self.way_in = HandingOn(self.socket, stores.large, ToldClock(clock()))

    def receive(self, sop_class: str, uid: str, file: bytes) -> Outcome:
        data = io.BytesIO(file)
        upload = self.way_in.open(ORIGIN, BareDataSet(sop_class, uid, find_dataset(data)))
        upload.write(data.read())
        return upload.finish(sync_here=True).result(60)

    def image(self, number: int, rows: int = 16) -> Outcome:
        return self.receive(CT, f"1.2.3.4.{number}", image(number, rows=rows))

    def answer(self) -> Outcome:
        length, kind = HEAD.unpack(exactly(self.socket, HEAD.size))
        assert kind == Kind.ANSWER
        return decode_answer(memoryview(exactly(self.socket, length)))[0]

    def packet(self, content: bytes) -> Outcome:
        self.socket.sendall(frame(Kind.PACKET, content))
        return self.answer()


@pytest.fixture
def remote(channels: Channels, stores: Stores) -> Iterator[Remote]:
    opened = Remote(channels, stores)
    yield opened
    opened.socket.close()
    opened.main.wait_for_end()


def key_object(references: int) -> bytes:
    return encode_file(document(*(Reference(flagged(number)) for number in range(1, references + 1))))


def kept(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return int(connection.execute(select(func.count()).select_from(instance)).scalar_one())


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100, 10_000])
def test_frames_come_in_pieces_of_any_size(size: int) -> None:
    sent = [(kind, bytes([kind]) * length) for kind, length in enumerate((0, 1, 4, 5, 300, 0, 70_000, 3))]
    data = b"".join(frame(kind, content) for kind, content in sent)
    frames = Frames()
    found = [
        (kind, bytes(content))
        for at in range(0, len(data), size)
        for kind, content in frames.feed(memoryview(data[at : at + size]))
    ]
    assert found == sent


def test_a_frame_of_no_possible_length_breaks_the_channel() -> None:
    with pytest.raises(BrokenChannelError):
        list(Frames().feed(memoryview(HEAD.pack(LONGEST + 1, 1))))


# --- packets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [16, LARGE], ids=["small", "large"])
def test_an_image_is_filed_as_if_it_had_come_here(
    catalog: Catalog, receiver: Receiver, remote: Remote, rows: int
) -> None:
    assert remote.image(1, rows).kind == "stored"
    assert remote.image(1, rows).kind == "known"
    assert remote.image(2, rows).kind == "stored"
    here = receiver.open(ORIGIN, BareDataSet(CT, "1.2.3.4.3", "1.2.840.10008.1.2.1"))
    here.write(data_set(image(3, rows=rows)))
    assert here.finish().result(60).kind == "stored"
    columns = [
        column for column in instance.c if column.name not in ("id", "sop_instance_uid", "file_key", "digest")
    ]
    with catalog.read() as connection:
        query = select(*columns).where(instance.c.sop_instance_uid.in_(["1.2.3.4.2", "1.2.3.4.3"]))
        there, own = (dict(row) for row in connection.execute(query.order_by(instance.c.id)).mappings())
    for row in (there, own):
        for name in ("instance_number", "received_at", "attributes"):
            del row[name]
    assert there == own


@pytest.mark.parametrize("references", [1, 20_000])
def test_a_key_object_of_any_size_is_registered(remote: Remote, references: int) -> None:
    outcome = remote.receive(KEY_OBJECT_SELECTION, "1.2.3.50.1", key_object(references))
    assert (outcome.kind, outcome.registration) == ("stored", "registered")


def test_what_is_refused_before_it_comes_to_a_packet_is_observed(catalog: Catalog, stores: Stores) -> None:
    observed: list[str] = []
    receiver = Receiver(catalog, stores, clock=clock, observe=lambda outcome: observed.append(outcome.kind))
    channels = Channels(receiver)
    remote = Remote(channels, stores)
    assert remote.receive(CT, "1.2.3.4.9", image(1, rows=LARGE)).status == 0xA900
    assert remote.image(1).kind == "stored"
    remote.socket.close()
    remote.main.wait_for_end()
    channels.close()
    receiver.close()
    assert observed == ["refused", "stored"]
    assert remote.main.done == {("store", "refused"): 1, ("store", "stored"): 1}


def test_what_is_refused_here_is_said_to_come_from_its_sender(catalog: Catalog, stores: Stores) -> None:
    observed: list[Outcome] = []
    receiver = Receiver(catalog, stores, clock=clock, observe=observed.append)
    channels = Channels(receiver)
    main, theirs = channels.open(ORIGIN)
    with theirs:
        theirs.settimeout(60)
        theirs.sendall(frame(Kind.PACKET, b"no packet"))
        exactly(theirs, HEAD.size)
    main.wait_for_end()
    channels.close()
    receiver.close()
    assert [outcome.sender for outcome in observed] == [
        (str(ORIGIN.interface), ORIGIN.actor.name, ORIGIN.actor.address)
    ]


# --- bad ones -------------------------------------------------------------------------------------


def _arrival(receiver: Receiver, number: int) -> Arrival:
    """One that has come, and was handed over to nobody."""
    found: list[Arrival] = []

    class Keeping(HandingOn):
        def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
            found.append(arrival)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        expected = BareDataSet(CT, f"1.2.3.4.{number}", "1.2.840.10008.1.2.1")
        upload = Keeping(ours, receiver._stores.large, ToldClock(clock())).open(ORIGIN, expected)
        upload.write(data_set(image(number)))
        upload.finish()
    return found[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes((FORMAT + 1,)) + pickle.dumps(1),
        bytes((FORMAT,)),
        bytes((FORMAT,)) + b"no pickle",
        bytes((FORMAT,)) + pickle.dumps(7),
        bytes((FORMAT,)) + pickle.dumps(("entry", 0, None, b"", None, None)),
        bytes((FORMAT,)) + b"cnowhere\nnothing\n.",
    ],
    ids=["empty", "another format", "cut", "no pickle", "something else", "no entry", "an unknown class"],
)
def test_law_5_a_packet_that_is_not_understood_is_refused_and_the_channel_goes_on(
    remote: Remote, content: bytes
) -> None:
    assert remote.packet(content).status == PROCESSING_FAILURE
    assert remote.image(1).kind == "stored"


@pytest.mark.parametrize("key", ["2026/11/30/12/" + "0" * 32 + ".dcm", "../kinote.sqlite", "/etc/passwd"])
def test_a_file_that_is_not_there_or_nobody_received_is_refused(
    receiver: Receiver, remote: Remote, key: str
) -> None:
    entry = _arrival(receiver, 1).entry
    content = bytes((FORMAT,)) + pickle.dumps((entry, 0, key, None, None, None))
    assert remote.packet(content).status == OUT_OF_RESOURCES
    assert remote.image(2).kind == "stored"


def test_law_5_an_object_that_cannot_be_filed_is_refused_alone(
    catalog: Catalog, stores: Stores, receiver: Receiver, channels: Channels
) -> None:
    bad = _arrival(receiver, 1)
    bad.entry.instance_row["sop_class_uid"] = None
    remotes = [Remote(channels, stores) for _ in range(4)]
    with ThreadPoolExecutor(4) as senders:
        first = senders.submit(remotes[0].packet, encode_packet(bad))
        others = [senders.submit(remote.image, number) for number, remote in enumerate(remotes[1:], start=2)]
        assert first.result(60).status == PROCESSING_FAILURE
        assert [each.result(60).kind for each in others] == ["stored"] * 3
    for remote in remotes:
        remote.socket.close()
        remote.main.wait_for_end()
    assert kept(catalog) == 3


def test_a_packet_comes_back_as_it_went(receiver: Receiver) -> None:
    arrival = _arrival(receiver, 1)
    found = decode_packet(memoryview(encode_packet(arrival)), receiver)
    assert (found.entry, found.dataset_offset, found.dataset, found.reading) == (
        arrival.entry,
        arrival.dataset_offset,
        None,
        None,
    )
    assert found.file is not None and arrival.file is not None
    assert found.file.read_back(0, 1 << 20) == arrival.file.read_back(0, 1 << 20)


# --- channels -------------------------------------------------------------------------------------


def test_one_that_reads_no_answers_keeps_nobody_waiting(
    catalog: Catalog, stores: Stores, channels: Channels
) -> None:
    still, quick = Remote(channels, stores), Remote(channels, stores)
    many = 2000
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(still.socket.sendall, frame(Kind.PACKET) * many)
        assert [quick.image(number).kind for number in range(1, 20)] == ["stored"] * 19
        sending.result(60)
    assert quick.image(20).kind == "stored"
    assert {still.answer().status for _ in range(many)} == {PROCESSING_FAILURE}
    assert still.image(21).kind == "stored"
    for remote in (still, quick):
        remote.socket.close()
        remote.main.wait_for_end()
    assert kept(catalog) == 21


def test_law_8_what_was_being_received_when_a_channel_broke_is_set_aside(
    stores: Stores, remote: Remote
) -> None:
    upload = remote.way_in.open(ORIGIN, BareDataSet(CT, "1.2.3.4.1", "1.2.840.10008.1.2.1"))
    upload.write(data_set(image(1, rows=LARGE))[:100_000])
    assert len(kept_places(stores)) == 1
    remote.socket.shutdown(socket.SHUT_RDWR)
    eventually(lambda: kept_places(stores) == set(), "it is left in the store")
    assert stores.quarantine.count() == 1
    upload.abandon()


def test_nonsense_ends_its_channel_and_no_other(channels: Channels, stores: Stores) -> None:
    bad, good = Remote(channels, stores), Remote(channels, stores)
    for nonsense in (HEAD.pack(LONGEST + 1, Kind.PACKET), frame(99)):
        bad = Remote(channels, stores)
        bad.socket.sendall(nonsense)
        assert bad.socket.recv(1) == b""
        bad.main.wait_for_end()
        bad.socket.close()
    assert good.image(1).kind == "stored"
    good.socket.close()
    good.main.wait_for_end()
