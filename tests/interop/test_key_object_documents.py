"""Key objects that Kinote writes, before the programs that others read them with."""

from __future__ import annotations

import re
from pathlib import Path

import highdicom
import pydicom
import pytest

from kinote.keyobject.model import (
    KeyObjectDocument,
    KeyObjectSelection,
    Reference,
)
from kinote.keyobject.titles import TITLES, modifiers_for
from kinote.keyobject.writer import encode_file
from tests.interop.peers import dciodvfy_errors, run
from tests.keyobject.documents import (
    instance,
    plain_context,
)
from tests.keyobject.kinds import kinds

#: What dsrdump says of any key object in UTF-8, however good.
_NOISE = ("does not support this Specific Character Set", "Check for template constraints not yet supported")


@pytest.fixture(params=sorted(kinds()))
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[KeyObjectDocument, Path]:
    made = kinds()[request.param]
    path = tmp_path / "key_object.dcm"
    path.write_bytes(encode_file(made))
    return made, path


def test_dciodvfy_finds_no_error(written: tuple[KeyObjectDocument, Path]) -> None:
    assert dciodvfy_errors(written[1]) == []


def test_dsrdump_reads_it_without_a_complaint(written: tuple[KeyObjectDocument, Path]) -> None:
    made, path = written
    code, output = run("dsrdump", "+U8", "+Pu", path)
    complaints = [
        line
        for line in output.splitlines()
        if line.startswith(("E:", "W:", "F:")) and not any(noise in line for noise in _NOISE)
    ]
    assert (code, complaints) == (0, [])
    flagged = re.findall(r"<contains (IMAGE|WAVEFORM|COMPOSITE):", output)
    assert flagged == [reference.value_type for reference in made.selection.references]
    if made.selection.description:
        assert made.selection.description.split("\r\n")[0] in output


def test_dcmdump_reads_every_element(written: tuple[KeyObjectDocument, Path]) -> None:
    code, output = run("dcmdump", "+L", "-q", written[1])
    assert (code, output.count("W:"), output.count("E:")) == (0, 0, 0)


def test_highdicom_reads_the_same_references(written: tuple[KeyObjectDocument, Path]) -> None:
    made, path = written
    if any(reference.value_type == "WAVEFORM" for reference in made.selection.references):
        # It has no waveform items in key objects.
        made = KeyObjectDocument(
            made.context,
            KeyObjectSelection(
                made.selection.title,
                tuple(one for one in made.selection.references if one.value_type != "WAVEFORM"),
                description=made.selection.description,
                observers=made.selection.observers,
            ),
        )
        path.write_bytes(encode_file(made))
    read = highdicom.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(path))
    uids = [str(item.referenced_sop_instance_uid) for item in read.content.get_references()]
    assert sorted(uids) == sorted(
        reference.instance.sop_instance_uid for reference in made.selection.references
    )
    for reference in made.selection.references:
        study, series, sop = read.resolve_reference(reference.instance.sop_instance_uid)
        assert (study, series, sop) == (
            reference.instance.study_instance_uid,
            reference.instance.series_instance_uid,
            reference.instance.sop_instance_uid,
        )


@pytest.mark.parametrize("title", TITLES, ids=[title.value for title in TITLES])
def test_dciodvfy_takes_every_title(tmp_path: Path, title: object) -> None:
    chosen = next(one for one in TITLES if one is title)
    rule = modifiers_for(chosen)
    selection = KeyObjectSelection(
        chosen, (Reference(instance(1)),), modifiers=(rule.codes[0],) if rule else ()
    )
    path = tmp_path / "titled.dcm"
    path.write_bytes(encode_file(KeyObjectDocument(plain_context(), selection)))
    assert dciodvfy_errors(path) == []
