"""Scanner, reader and checker before whatever can be wrong with a key object."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
import zlib
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinote.dicom.dictionary.transfer_syntaxes import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scanned
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.check import Report, check, check_file
from kinote.keyobject.findings import RULES
from kinote.keyobject.model import InvalidKeyObjectError
from kinote.keyobject.reader import LIMITS, read, read_dataset
from kinote.keyobject.reading import Reading
from kinote.keyobject.rebuilding import document_of
from kinote.keyobject.writer import encode
from tests.keyobject.documents import EXPLICIT, KEY_OBJECT
from tests.keyobject.kinds import kinds, manifest
from tests.keyobject.mutations import MUTATIONS, taken_apart
from tests.keyobject.variants.table import VARIANTS
from tests.keyobject.variants.variant import encoded, good
from tests.scale import SCALE

#: A mutation: kind, place, argument.
Mutation = tuple[Any, int, int]


@lru_cache(maxsize=1)
def bases() -> tuple[bytes, ...]:
    """Sound and odd data sets to begin with: all are made here."""
    others = dict(kinds())
    everything = encode(others.pop("of everything"))
    odd = []
    for variant in VARIANTS:
        dataset = good()
        variant.change(dataset)
        odd.append(encoded(dataset))
    manifests = (encoded(manifest()), encoded(manifest(trial=True)))
    return (everything, *manifests, *map(encode, others.values()), *odd)


places = st.integers(0, 400)
arguments = st.integers(0, 70_000)
some_mutations: st.SearchStrategy[list[Mutation]] = st.lists(
    st.tuples(st.sampled_from(MUTATIONS), places, arguments), min_size=1, max_size=6
)


def mutated(base: int, wrong: list[Mutation]) -> tuple[bytes, str]:
    """The bytes of a data set with something wrong, and the transfer syntax it is said to be in."""
    tree = taken_apart(bases()[base % len(bases())])
    for mutation, place, argument in wrong:
        mutation(tree, place, argument)
        # Mutations that repeat may be repeated: beyond this it is the size that is tested, which others do.
        if len(tree.nodes()) > 20_000:
            break
    return tree.encoded(), tree.syntax


fuzzed = settings(
    max_examples=SCALE.mutations,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Those that were found are kept here, by hand.
    database=None,
)


@pytest.mark.soak
@fuzzed
@given(base=st.integers(0, 200), wrong=some_mutations)
def test_whatever_is_wrong_it_is_read_and_checked(base: int, wrong: list[Mutation]) -> None:
    hold(*mutated(base, wrong))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.__name__ for each in MUTATIONS])
def test_each_fault_alone(mutation: Any) -> None:
    """The corpus: every kind of fault at a few places of a document of everything, and of a manifest."""
    for base in (0, 1):
        for number in range(8):
            hold(*mutated(base, [(mutation, 37 * number, number * 257 + number)]))


@pytest.mark.soak
@settings(parent=fuzzed, max_examples=SCALE.mutations // 10)
@given(base=st.integers(0, 200), wrong=some_mutations)
def test_whatever_is_wrong_memory_is_bounded(base: int, wrong: list[Mutation]) -> None:
    data, syntax = mutated(base, wrong)
    read(data, syntax)  # what is loaded and remembered once is no object's
    tracemalloc.start()
    try:
        check(data, syntax)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A deflated data set takes what it inflates to.
    size = len(data) if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else inflated_size(data)
    assert peak < 1_000_000 + 100 * size


@pytest.mark.soak
@settings(parent=fuzzed, max_examples=SCALE.mutations // 4)
@given(data=st.data())
def test_whatever_is_wrong_with_a_file_it_is_checked(data: st.DataObject) -> None:
    base = data.draw(st.integers(0, 200))
    dataset, syntax = mutated(base, data.draw(some_mutations))
    meta = bytearray(file_meta_bytes(KEY_OBJECT, "1.2.3.50.1", syntax))
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(128, len(meta) - 1), st.integers(0, 255)), max_size=4)
    ):
        meta[at] = byte
    file = bytes(meta[data.draw(st.sampled_from([0, 0, 0, 128, 132])) :]) + dataset
    file = file[: len(file) - data.draw(st.sampled_from([0, 0, 0, 1, 60, 400]))]
    hold_report(check_file(file))


# --- what must hold -------------------------------------------------------------------------------------


def hold(data: bytes, syntax: str) -> None:
    hold_scanner(data, syntax)
    reading = read(data, syntax)
    hold_reading(reading)
    report = check(data, syntax)
    hold_report(report)
    hold_agreement(reading, report)
    hold_rebuilding(reading)


def hold_scanner(data: bytes, syntax: str) -> None:
    """Nothing but a `DicomError`, in no more steps than there are heads; and what is scanned is read alike."""
    scanner = DataSetScanner(syntax, LIMITS)
    try:
        scanner.feed(data)
        scanner.finish()
    except DicomError:
        assert read(data, syntax).registration in ("unreadable", "registered with findings")
    else:
        assert read_dataset(scanned(scanner), syntax) == read(data, syntax)
    deflated = syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    size = inflated_size(data) if deflated else len(data)
    assert scanner.steps <= size / 8 + 1


def hold_reading(reading: Reading) -> None:
    severities = {finding.severity for finding in reading.findings}
    assert (reading.registration == "unreadable") == ("error" in severities)
    assert (reading.registration == "registered") == (severities <= {"info"})
    if reading.registration == "unreadable":
        assert (reading.references, reading.distinct_references) == ((), ())
    else:
        assert reading.references
        assert reading.sop_instance_uid and reading.study_instance_uid
        assert all(reference.sop_instance_uid for reference in reading.references)
        assert set(reading.distinct_references) <= set(reading.references)
        flagged = {reference.sop_instance_uid for reference in reading.references}
        assert {reference.sop_instance_uid for reference in reading.distinct_references} == flagged
    # All that is shown of it can be.
    library = reading.image_library
    shown = [
        reading.title_text,
        reading.description,
        *reading.referenced_studies,
        repr(library),
        repr(reading),
    ]
    assert "".join(shown).encode()


def hold_report(report: Report) -> None:
    assert report.has_errors == (report.registration == "unreadable")
    assert {finding.code for finding in report.findings} <= set(RULES)
    assert all(RULES[finding.code].severity == finding.severity for finding in report.findings)
    assert len({(finding.code, finding.place) for finding in report.findings}) == len(report.findings)
    assert all(len(finding.text) < 2_000 for finding in report.findings)
    assert json.dumps(report.as_json(), ensure_ascii=False).encode()


def hold_agreement(reading: Reading, report: Report) -> None:
    """The checker says what the reader says, and perhaps more; they differ on nothing."""
    codes = {finding.code for finding in report.findings}
    if "NOT_A_KEY_OBJECT" in codes:
        assert reading.registration == "unreadable"
        return
    assert {(finding.code, finding.place) for finding in reading.findings} <= {
        (finding.code, finding.place) for finding in report.findings
    }
    assert (reading.registration == "unreadable") == (report.registration == "unreadable")
    if reading.registration == "registered with findings":
        assert report.registration == reading.registration


def hold_rebuilding(reading: Reading) -> None:
    """What the model takes of it can be written, and is read again as the same."""
    try:
        document = document_of(reading)
    except InvalidKeyObjectError:
        return
    again = read(encode(document), EXPLICIT)
    assert again.registration != "unreadable"
    assert dataclasses.asdict(document_of(again)) == dataclasses.asdict(document)


def inflated_size(data: bytes) -> int:
    packer = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        return len(packer.decompress(data)) + len(packer.unused_data)
    except zlib.error:
        # As far as it went: at most so much.
        return 1032 * len(data)
