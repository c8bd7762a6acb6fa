"""An object that says the same in another encoding is known; one with another value is held, with a true reason."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pydicom
import pytest
from imagecodecs import jpeg2k_encode, jpegls_encode
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, job
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.comparing.opened import TO_COMPARE
from kinote.holdings.door import Door
from kinote.intake import comparers, filing, same_content
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.intake.settling_jobs import COMPARE_HELD, CompareHeld
from kinote.jobs.workers import WorkerOptions, Workers
from kinote.lifecycle import held
from kinote.lifecycle.holds.acts import WantedHold, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.security.actors import KINOTE
from kinote.storage.local import local_stores
from kinote.storage.stores import Stores
from tests.actors import ORIGIN
from tests.clock import clock
from tests.dicom.pixel_objects import in_syntax
from tests.intake.objects import image

JPEG_LS, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = local_stores(tmp_path / "data")
    yield stores
    stores.close()


@pytest.fixture
def door(catalog: Catalog, stores: Stores) -> Door:
    return Door(catalog, stores, clock=clock)


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores, door: Door) -> Iterator[Receiver]:
    receiver = Receiver(catalog, stores, clock=clock, open_copy=door.open_copy)
    yield receiver
    receiver.close()


def receive(receiver: Receiver, *files: bytes) -> list[Outcome]:
    """Hand all over before waiting, so that they share a group."""
    futures = []
    for data in files:
        upload = receiver.open(ORIGIN)
        upload.write(data)
        futures.append(upload.finish())
    return [future.result(30) for future in futures]


def whole(**attributes: Any) -> pydicom.Dataset:
    """An image that can be compressed."""
    data = pydicom.dcmread(io.BytesIO(image(rows=64, **attributes)))
    data.BitsStored, data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 12, 11, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = (np.arange(64 * 16, dtype="<u2") % 4096).tobytes()
    return data


def encoded(data: pydicom.Dataset, syntax: str) -> bytes:
    data.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, data, implicit_vr=syntax == IMPLICIT, little_endian=True, enforce_file_format=True
    )
    return buffer.getvalue()


def compressed(data: pydicom.Dataset, *, changed: int = 0) -> bytes:
    words = np.frombuffer(data.PixelData, "<u2").reshape(64, 16).copy()
    words[5, 5] ^= changed
    data.PixelData = encapsulate([bytes(jpegls_encode(words))])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return encoded(data, JPEG_LS)


def deflated_frame(frame: bytes) -> bytes:
    """Deflated Image Frame Compression (PS3.5 A.4.13): RFC 1951, padded."""
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    found = deflating.compress(frame) + deflating.flush()
    return found + bytes(len(found) % 2)


def encapsulated(syntax: str, encode: Callable[[bytes], bytes] = bytes, *, changed: int = 0) -> bytes:
    """An image whose frame lies in a fragment, uncompressed or deflated."""
    data = whole()
    frame = bytearray(data.PixelData)
    frame[100] ^= changed
    data.PixelData = encapsulate([encode(bytes(frame))])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return in_syntax(encoded(data, UNCOMPRESSED), syntax)


UNCOMPRESSED, DEFLATED_FRAME = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"

FIRST = encoded(whole(), "1.2.840.10008.1.2.1")

SAME = {
    "implicit": encoded(whole(), IMPLICIT),
    "deflated": encoded(whole(), DEFLATED),
    "compressed without loss": compressed(whole()),
    "encapsulated uncompressed": encapsulated(UNCOMPRESSED),
    "deflated frame": encapsulated(DEFLATED_FRAME, deflated_frame),
}
OTHER = {
    "implicit": (
        encoded(whole(PatientComments="x"), IMPLICIT),
        "PatientComments (0010,4000) is in one of them only",
    ),
    "deflated": (encoded(whole(PatientID="P2"), DEFLATED), "PatientID (0010,0020) differs"),
    "deflated frame": (
        encapsulated(DEFLATED_FRAME, deflated_frame, changed=1),
        "PixelData (7FE0,0010) differs in frame 1",
    ),
    "compressed without loss": (compressed(whole(), changed=1), "PixelData (7FE0,0010) differs in frame 1"),
}


@pytest.mark.parametrize("encoding", SAME)
def test_the_same_in_another_encoding_is_known(receiver: Receiver, encoding: str) -> None:
    assert [each.kind for each in receive(receiver, FIRST)] == ["stored"]
    (outcome,) = receive(receiver, SAME[encoding])
    assert (outcome.kind, outcome.warning) == ("known", None)
    assert "another encoding" in outcome.reason


@pytest.mark.parametrize("encoding", OTHER)
def test_another_value_in_another_encoding_is_held(
    catalog: Catalog, receiver: Receiver, encoding: str
) -> None:
    data, says = OTHER[encoding]
    receive(receiver, FIRST)
    (outcome,) = receive(receiver, data)
    assert outcome.kind == "held"
    assert outcome.reason == f"An instance with this SOP Instance UID is live with other content: {says}."
    with catalog.read() as connection:
        assert [copy.reason for copy in held.held(connection)] == [outcome.reason]


def reversible_or_not(data: pydicom.Dataset, syntax: str, *, is_exact: bool) -> bytes:
    words = np.frombuffer(data.PixelData, "<u2").reshape(64, 16)
    if syntax == NEAR_LOSSLESS:
        frame = jpegls_encode(words, level=0 if is_exact else 2)
    else:
        frame = jpeg2k_encode(words, codecformat="j2k", reversible=is_exact, level=0 if is_exact else 40)
    data.PixelData = encapsulate([bytes(frame)])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return encoded(data, syntax)


NEAR_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"


@pytest.mark.parametrize("is_exact", [True, False], ids=["reversible", "with loss"])
@pytest.mark.parametrize("is_first", [True, False], ids=["compressed first", "native first"])
@pytest.mark.parametrize("syntax", [NEAR_LOSSLESS, JPEG_2000])
def test_a_codestream_under_a_lossy_syntax_says_whether_it_is_reversible(
    receiver: Receiver, syntax: str, is_first: bool, is_exact: bool
) -> None:
    files = [reversible_or_not(whole(), syntax, is_exact=is_exact), FIRST]
    first, second = files if is_first else files[::-1]
    receive(receiver, first)
    (outcome,) = receive(receiver, second)
    assert outcome.kind == ("known" if is_exact else "held"), outcome.reason
    assert is_exact or "is compressed with loss in one of them" in outcome.reason


@pytest.mark.parametrize("changed", [0, 1])
def test_pixels_of_32_bits_in_big_endian_are_compared_by_samples(receiver: Receiver, changed: int) -> None:
    data = whole()
    data.BitsAllocated, data.BitsStored, data.HighBit = 32, 32, 31
    samples = np.arange(64 * 16, dtype="<u4") * 70_001
    data.PixelData = samples.tobytes()
    data["PixelData"].VR = "OW"
    receive(receiver, encoded(data, "1.2.840.10008.1.2.1"))
    samples[5] ^= changed
    data.PixelData = samples.astype(">u4").tobytes()
    data.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.2")
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, implicit_vr=False, little_endian=False, enforce_file_format=True)
    (outcome,) = receive(receiver, buffer.getvalue())
    assert outcome.kind == ("held" if changed else "known"), outcome.reason


def test_the_first_copy_may_be_in_the_same_group(receiver: Receiver) -> None:
    outcomes = receive(receiver, FIRST, *SAME.values(), OTHER["implicit"][0])
    *same, other = [each.kind for each in outcomes]
    # PostgreSQL has several writers: which of them is the first copy is not said.
    assert (sorted(same), other) == (["known"] * len(SAME) + ["stored"], "held")


def test_a_verdict_about_bytes_that_were_replaced_decides_nothing(
    catalog: Catalog, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction sees that the first copy is not the one that was compared, each time."""
    receive(receiver, FIRST)
    compare = same_content.compare_arrival

    def replaced(catalog: Catalog, *arguments: Any) -> object:
        verdict = compare(catalog, *arguments)

        def replace(transaction: Connection) -> None:
            transaction.execute(instance.update().values(digest=instance.c.digest + "0"))

        catalog.write(replace)
        return verdict

    monkeypatch.setattr(comparers, "compare_arrival", replaced)
    monkeypatch.setattr(filing, "_without_bytes", lambda *_: None)
    (outcome,) = receive(receiver, SAME["implicit"])
    assert outcome.kind == "held"


def test_damaged_bytes_are_not_compared(catalog: Catalog, stores: Stores, receiver: Receiver) -> None:
    receive(receiver, FIRST)
    catalog.write(lambda transaction: transaction.execute(instance.update().values(residence="damaged")))
    (outcome,) = receive(receiver, SAME["implicit"])
    assert outcome.kind == "held"
    assert "is not known" in outcome.reason


def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_content, "AT_ONCE", same_content.Budget(10, 10, TO_COMPARE, "is large"))


def full_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparers, "_MOST_OF_ONE", 0)


@pytest.mark.parametrize("why", [small_budget, full_line])
@pytest.mark.parametrize(("sent", "left"), [("SAME", 0), ("OTHER", 1)])
def test_what_is_too_large_or_one_too_many_is_held_and_settled_in_the_background(
    catalog: Catalog,
    stores: Stores,
    door: Door,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    why: Callable[[pytest.MonkeyPatch], None],
    sent: str,
    left: int,
) -> None:
    why(monkeypatch)
    receive(receiver, FIRST)
    data = SAME["implicit"] if sent == "SAME" else OTHER["implicit"][0]
    (outcome,) = receive(receiver, data)
    assert outcome.kind == "held"
    assert "in the background" in outcome.reason or "is large" in outcome.reason
    settle(catalog, stores, door)
    with catalog.read() as connection:
        copies = held.held(connection)
        assert len(copies) == left
        assert all("PatientComments" in copy.reason for copy in copies)


def test_a_copy_on_hold_is_not_discarded_in_the_background(
    catalog: Catalog, stores: Stores, door: Door, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_budget(monkeypatch)
    receive(receiver, FIRST, SAME["implicit"])
    with catalog.read() as connection:
        (copy,) = held.held(connection)
    of = HeldThing(HoldLevel.STUDY, copy.study_instance_uid)
    wanted = WantedHold(HoldKind.LEGAL, of, "A case")
    catalog.write(lambda transaction: place(transaction, wanted, by=KINOTE, now=clock()))
    settle(catalog, stores, door)
    with catalog.read() as connection:
        assert [each.id for each in held.held(connection)] == [copy.id]


@pytest.mark.parametrize(
    "became",
    [{"standing": "purged", "residence": "none", "file_key": None}, {"is_current": False}],
    ids=["purged", "gone"],
)
def test_a_held_copy_stays_where_there_is_no_first_copy_any_more(
    catalog: Catalog,
    stores: Stores,
    door: Door,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    became: dict[str, Any],
) -> None:
    small_budget(monkeypatch)
    receive(receiver, FIRST, SAME["implicit"])
    is_first = instance.c.is_current
    catalog.write(lambda tx: tx.execute(instance.update().where(is_first).values(**became)))
    settle(catalog, stores, door)
    with catalog.read() as connection:
        assert len(held.held(connection)) == 1


def settle(catalog: Catalog, stores: Stores, door: Door) -> None:
    handler = CompareHeld(catalog, stores, door, clock)
    workers = Workers(catalog, {COMPARE_HELD: handler}, clock, name="w", options=WorkerOptions(1))
    try:
        _until_done(catalog)
    finally:
        workers.close()


def _until_done(catalog: Catalog) -> None:
    for _ in range(600):
        with catalog.read() as connection:
            states = list(connection.execute(select(job.c.state)).scalars())
        if states == ["done"]:
            return
        sleep(0.05)
    raise AssertionError(states)
