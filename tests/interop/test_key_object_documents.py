"""Key objects that Kinote writes, before the programs that others read them with."""

from __future__ import annotations

import re
from pathlib import Path

import highdicom
import pydicom
import pytest

from kinote.keyobject.model import (
    Device,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import BEST_IN_SET, BEST_IN_SET_OF, OF_INTEREST, TITLES, modifiers_for
from kinote.keyobject.writer import encode_file
from tests.interop.peers import dciodvfy_errors, run
from tests.keyobject.documents import (
    ECG,
    GSPS,
    KEY_OBJECT,
    REPORT,
    SEGMENTATION,
    ULTRASOUND,
    VALUE_MAP,
    copies,
    document,
    instance,
    plain_context,
)

#: What dsrdump says of any key object in UTF-8, however good.
_NOISE = ("does not support this Specific Character Set", "Check for template constraints not yet supported")


def kinds() -> dict[str, KeyObjectDocument]:
    """Documents that differ in what they use of the standard."""
    author = (Person("Yamada^Tarou=山田^太郎=やまだ^たろう", "taro"), Device("1.2.9", "reading room 3"))
    of_everything = (
        Reference(instance(1, ULTRASOUND), frames=(3, 7), presentation_state=instance(8, GSPS)),
        Reference(instance(2), real_world_value_maps=(instance(9, VALUE_MAP),)),
        Reference(instance(3, SEGMENTATION), segments=(1, 4)),
        Reference(instance(4, ECG), waveform_channels=(1, 2)),
        Reference(instance(5, REPORT)),
        Reference(instance(6, GSPS)),
        Reference(instance(7, KEY_OBJECT)),
    )
    over_two_studies = (Reference(instance(1)), Reference(instance(2, study="1.2.7")))
    return {
        "plain": document(),
        "without text": document(description=""),
        "of everything": KeyObjectDocument(
            plain_context(requests=(RequestReference("1.2.3", "A1", "RP1", "CT thorax", "P1", "F1"),)),
            KeyObjectSelection(
                OF_INTEREST,
                of_everything,
                description="左上葉の結節影\r\n要再検",
                language="ja",
                observers=author,
            ),
        ),
        "over two studies": KeyObjectDocument(
            plain_context(identical_documents=copies("1.2.7")),
            KeyObjectSelection(OF_INTEREST, over_two_studies, description="ورم", language="ar"),
        ),
        "best in set": KeyObjectDocument(
            plain_context(),
            KeyObjectSelection(BEST_IN_SET, (Reference(instance(1)),), modifiers=(BEST_IN_SET_OF[1],)),
        ),
        "many": document(*(Reference(instance(number)) for number in range(1, 501))),
    }


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
