"""Everything the writer can write, before dciodvfy, dcentvfy, dsrdump and our own reader."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from kinote.dicom.dictionary import sop_classes
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Device, InstanceReference, KeyObjectDocument, Person, Reference
from kinote.keyobject.reader import read
from kinote.keyobject.rebuilding import document_of
from kinote.keyobject.writer import encode, encode_file
from tests.interop.peers import dsrdumps, errors_of_dciodvfy, run, run_each
from tests.keyobject.documents import (
    EXPLICIT,
    KEY_OBJECT,
    PRESENTATION_STATES,
    STORAGE_CLASSES,
    document,
    documents,
    instance,
    whole_set,
)
from tests.scale import SCALE

_STORAGE = "1.2.840.10008.5.1.4.1.1."

#: What dsrdump says of any key object in UTF-8, however good. It checks neither their characters nor TID 2010.
NOISE_OF_DSRDUMP = (
    "does not support this Specific Character Set",
    "Check for template constraints not yet supported",
)

#: Classes that DCMTK 3.6.7 does not know for what they are, by the items that name them. It then refuses the
#: whole document, and there is no other item for them.
UNKNOWN_TO_DSRDUMP = {
    "image": {
        f"{_STORAGE}481.2",  # RT Dose: an image by its modules, not by its name
        *(f"{_STORAGE}{number}" for number in ("481.23", "481.24")),  # Enhanced RT Image, since 2020
        f"{_STORAGE}6.3",  # Photoacoustic Image, since 2023
        *(
            f"{_STORAGE}{number}" for number in ("66.7", "66.8")
        ),  # Label and Height Map Segmentation, since 2024
        *(f"{_STORAGE}{number}" for number in ("77.1.8", "77.1.9")),  # Confocal Microscopy, since 2022
    },
    "waveform": {
        f"{_STORAGE}9.1",  # Waveform, of a trial
        f"{_STORAGE}9.1.4",  # General 32-bit ECG, since 2022
    },
    "presentation state": {
        f"{_STORAGE}11.12",  # Variable Modality LUT Softcopy, since 2022
    },
}

#: Classes of images that have frames or segments (tests/interop/test_sop_classes.py, or their names say so) and of
#: which dciodvfy says that they have none.
PARTLESS_TO_DCIODVFY = {
    *(
        f"{_STORAGE}{number}" for number in ("481.23", "481.24", "6.3", "66.7", "66.8", "77.1.8", "77.1.9")
    ),  # new
    f"{_STORAGE}77.1.5.8",  # Ophthalmic OCT B-scan Volume Analysis
    *(f"{_STORAGE}{number}" for number in ("3", "5", "77.2")),  # retired: ultrasound, nuclear medicine, VL
    *(f"{_STORAGE}501.{number}" for number in ("1", "2.1", "2.2")),  # DICOS, of another standard
    *(f"{_STORAGE}601.{number}" for number in ("1", "2")),  # DICONDE, of another standard
}
_NO_PARTS = re.compile(
    r".*\[(\d+)\]/ReferencedSOPSequence\(0008,1199\)\[1\]/Referenced(Frame|Segment)Number\(\w{4},\w{4}\)> - "
    r"Shall not be present for Referenced SOP Class that is not (multi-frame|segmentation)"
)


@pytest.fixture(scope="module")
def any_documents() -> list[KeyObjectDocument]:
    made: list[KeyObjectDocument] = []

    @settings(
        max_examples=SCALE.documents,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def gather(one: KeyObjectDocument) -> None:
        made.append(one)

    gather()
    return made


@pytest.fixture(scope="module")
def any_files(any_documents: list[KeyObjectDocument], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return files_of(any_documents, tmp_path_factory.mktemp("any"))


def files_of(made: Iterable[KeyObjectDocument], folder: Path) -> list[Path]:
    files = []
    for number, one in enumerate(made):
        path = folder / f"{number:05}.dcm"
        path.write_bytes(encode_file(one))
        files.append(path)
    return files


# --- dciodvfy and dcentvfy ----------------------------------------------------------------------------


def errors_in(made: KeyObjectDocument, code: int, output: str) -> list[str]:
    """What dciodvfy finds wrong, but for frames and segments of classes that it does not know."""
    return [line for line in errors_of_dciodvfy(code, output) if not _has_unknown_parts(made, line)]


def _has_unknown_parts(made: KeyObjectDocument, line: str) -> bool:
    found = _NO_PARTS.fullmatch(line)
    if found is None:
        return False
    # References come last, and dciodvfy counts items from 1.
    from_the_end = int(found[1]) - 1 - _item_count(made)
    return made.selection.references[from_the_end].instance.sop_class_uid in PARTLESS_TO_DCIODVFY


def _item_count(made: KeyObjectDocument) -> int:
    dataset = read(encode(made), EXPLICIT).dataset
    assert dataset is not None
    return len(dataset.items(0x0040A730))


@pytest.mark.soak
def test_dciodvfy_finds_no_error_in_any_document(
    any_documents: list[KeyObjectDocument], any_files: list[Path]
) -> None:
    said = run_each("dciodvfy", "-new", files=any_files)
    assert len(said) == len(any_files) == SCALE.documents
    wrong = {
        path.name: errors
        for made, path, (code, output) in zip(any_documents, any_files, said, strict=True)
        if (errors := errors_in(made, code, output))
    }
    assert wrong == {}


def test_dciodvfy_takes_every_class(tmp_path: Path) -> None:
    """With frames, where there can be any: whatever it does not know is listed above, and nothing else."""
    made = []
    for uid in STORAGE_CLASSES:
        frames = (2,) if sop_classes.is_multiframe_capable(uid) else ()
        made.append(document(Reference(instance(1, uid), frames=frames)))
    said = run_each("dciodvfy", "-new", files=files_of(made, tmp_path))
    errors = {
        uid: found
        for uid, (code, output) in zip(STORAGE_CLASSES, said, strict=True)
        if (found := errors_of_dciodvfy(code, output))
    }
    assert set(errors) <= PARTLESS_TO_DCIODVFY
    assert [line for found in errors.values() for line in found if not _NO_PARTS.fullmatch(line)] == []


@pytest.mark.soak
def test_dcentvfy_finds_that_identical_documents_are_of_one_note(
    any_documents: list[KeyObjectDocument], tmp_path: Path
) -> None:
    """Of the sets of documents over several studies; the images they reference are not there to be found."""
    sets = [whole_set(one) for one in any_documents if one.context.identical_documents]
    assert len(sets) > SCALE.documents / 10
    for number, made in enumerate(sets[: SCALE.documents // 10]):
        folder = tmp_path / str(number)
        folder.mkdir()
        code, output = run("dcentvfy", *files_of(made, folder))
        assert code in (0, 1)
        images = {each.sop_instance_uid for each in made[0].selection.evidence()}
        wrong = [line for line in output.split("\n") if line and _missing(line) not in images]
        assert wrong == []


def _missing(line: str) -> str:
    """The object that dcentvfy misses, if that is what it says."""
    found = re.match(r"Error - Missing SOPInstanceUID that was referenced - ([\d.]+) for file", line)
    return found[1] if found else ""


# --- dsrdump ------------------------------------------------------------------------------------------


def unknown_to_dsrdump(made: KeyObjectDocument) -> bool:
    """Whether a document names a class in a way that dsrdump does not know."""
    for reference in made.selection.references:
        unknown = UNKNOWN_TO_DSRDUMP.get(reference.value_type.lower(), set())
        state = reference.presentation_state
        if reference.instance.sop_class_uid in unknown or (
            state and state.sop_class_uid in UNKNOWN_TO_DSRDUMP["presentation state"]
        ):
            return True
    return False


def complaints(output: str) -> list[str]:
    return [
        line
        for line in output.split("\n")
        if line.startswith(("E:", "W:", "F:")) and not any(noise in line for noise in NOISE_OF_DSRDUMP)
    ]


def dumped(output: str) -> list[tuple[str, str]]:
    """The references that dsrdump shows: value type and SOP Instance UID."""
    # A class that it does not know stands there by its UID.
    shown = r"^ +<contains (IMAGE|WAVEFORM|COMPOSITE):=\((?:[^,\"]*|\"[\d.]+\"),\"([\d.]+)\""
    return re.findall(shown, output, re.MULTILINE)


@pytest.mark.soak
def test_dsrdump_reads_any_document_as_it_was_meant(
    any_documents: list[KeyObjectDocument], any_files: list[Path]
) -> None:
    read_well = 0
    for made, output in zip(any_documents, dsrdumps(any_files), strict=True):
        if unknown_to_dsrdump(made):
            assert any("Invalid or unknown" in line for line in complaints(output))
            continue
        assert complaints(output) == []
        flagged = [(each.value_type, each.instance.sop_instance_uid) for each in made.selection.references]
        assert dumped(output) == flagged
        first_line = re.split("[\r\n\t\f]", made.selection.description)[0]
        assert first_line in output
        read_well += 1
    assert read_well > SCALE.documents / 2


@pytest.mark.parametrize("kind", ["item", "presentation state"])
def test_dsrdump_takes_every_class_but_those_it_does_not_know(tmp_path: Path, kind: str) -> None:
    classes = STORAGE_CLASSES if kind == "item" else PRESENTATION_STATES
    made = [
        document(Reference(instance(1, uid)))
        if kind == "item"
        else document(Reference(instance(1), presentation_state=instance(9, uid)))
        for uid in classes
    ]
    said = dsrdumps(files_of(made, tmp_path))
    refused = {uid for uid, output in zip(classes, said, strict=True) if complaints(output)}
    if kind == "item":
        assert refused == UNKNOWN_TO_DSRDUMP["image"] | UNKNOWN_TO_DSRDUMP["waveform"]
    else:
        assert refused == UNKNOWN_TO_DSRDUMP["presentation state"]


# --- our reader, and the generator itself -------------------------------------------------------------


@pytest.mark.soak
def test_any_document_is_read_and_written_again(any_documents: list[KeyObjectDocument]) -> None:
    for made in any_documents:
        reading = read(encode(made), EXPLICIT)
        assert reading.registration == "registered", reading.findings
        # As dictionaries, since codes are equal whatever their meaning.
        assert dataclasses.asdict(document_of(reading)) == dataclasses.asdict(made)


def test_the_generator_reaches_the_whole_model(any_documents: list[KeyObjectDocument]) -> None:
    """Every field of the model is drawn with a value and, where it can be, without one."""
    with_value: set[tuple[str, str]] = set()
    without: set[tuple[str, str]] = set()
    fields: set[tuple[str, str]] = set()
    optional: set[tuple[str, str]] = set()
    for made in any_documents:
        for value in _values(made):
            for field in dataclasses.fields(value):
                name = (type(value).__name__, field.name)
                fields.add(name)
                (with_value if getattr(value, field.name) not in ((), "", None) else without).add(name)
                if field.default is not dataclasses.MISSING and field.default in ((), "", None):
                    optional.add(name)
    assert {name for name, _ in fields} == {
        each.__name__ for each in (Code, Device, InstanceReference, KeyObjectDocument, Person, Reference)
    } | {"DocumentContext", "KeyObjectSelection", "RequestReference"}
    assert fields - with_value == set()
    # A code without a meaning cannot be written; a document without a patient's ID has a finding.
    assert optional - without == {("Code", "meaning"), ("DocumentContext", "patient_id")}


def test_the_generator_reaches_every_kind(any_documents: list[KeyObjectDocument]) -> None:
    references = [each for made in any_documents for each in made.selection.references]
    assert {each.value_type for each in references} == {"IMAGE", "WAVEFORM", "COMPOSITE"}
    titles = {made.selection.title for made in any_documents}
    assert len(titles) > 20
    studies = [
        {each.instance.study_instance_uid for each in made.selection.references} for made in any_documents
    ]
    assert {len(each) for each in studies} == {1, 2, 3}
    elsewhere = [
        made.context.study_instance_uid not in named
        for made, named in zip(any_documents, studies, strict=True)
    ]
    assert any(elsewhere) and not all(elsewhere)
    assert any(made.selection.modifiers and made.selection.title.scheme == "DCM" for made in any_documents)
    assert len({each.instance.sop_class_uid for each in references}) > len(STORAGE_CLASSES) / 5
    assert KEY_OBJECT in {each.instance.sop_class_uid for each in references}


def _values(value: Any) -> Iterator[Any]:
    """A value of the model and all in it."""
    if dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from _values(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _values(each)
