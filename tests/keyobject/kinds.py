"""Documents that differ in what they use of the standard, and a manifest with an image library."""

from __future__ import annotations

import io

import pydicom
from pydicom.dataset import Dataset

from kinote.keyobject.model import (
    Device,
    KeyObjectDocument,
    KeyObjectSelection,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.titles import BEST_IN_SET, BEST_IN_SET_OF, OF_INTEREST
from kinote.keyobject.writer import encode_file
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
from tests.keyobject.variants.changes import code, images, item


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


def manifest(*, trial: bool = False) -> Dataset:
    """A manifest with an image library (TID 1600), which lists a key object among images.

    As CP-2595 has it, or as in the trial of IHE MADO: other codes, counts as text, and what describes an entry
    stands before it, not under it.
    """
    two = document(Reference(instance(1)), Reference(instance(2, ULTRASOUND), frames=(3, 7)))
    dataset = pydicom.dcmread(io.BytesIO(encode_file(two)))
    dataset.ConceptNameCodeSequence = [code("MADOTEMP001", "99IHE", "Manifest with Description")]
    listed = [*images(dataset), _key_object()]
    series = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence.append(listed[-1].ReferencedSOPSequence[0])
    groups = [
        _group(
            trial,
            "CT",
            "1.2.3.4",
            "Thorax",
            [_entry(trial, each, number) for number, each in enumerate(listed[:2], 1)],
        ),
        _group(
            trial,
            "KO",
            "1.2.3.60",
            "Marks",
            [_entry(trial, listed[2], 1, "113003", "For Surgery", "A nodule")],
        ),
    ]
    library = item(
        "CONTAINS",
        "CONTAINER",
        code("111028", "DCM", "Image Library"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=[
            _coded("121139", "Modality", code("CT", "DCM", "CT")),
            _coded("123014", "Target Region", code("51185008", "SCT", "Chest")),
            _counted(trial, "series", 2),
            *groups,
        ],
    )
    dataset.ContentSequence = [library, *listed]
    return dataset


#: Concepts of the standard and of the trial.
_CODES = {
    "series": (("131565", "DCM"), ("MADOTEMP009", "99IHE"), "Number of Study Related Series"),
    "instances": (("131564", "DCM"), ("MADOTEMP007", "99IHE"), "Number of Series Related Instances"),
    "description": (("131563", "DCM"), ("MADOTEMP002", "99IHE"), "Series Description"),
    "date": (("131561", "DCM"), ("MADOTEMP003", "99IHE"), "Series Date"),
    "time": (("131562", "DCM"), ("MADOTEMP004", "99IHE"), "Series Time"),
}


def _concept(trial: bool, name: str) -> Dataset:
    standard, tried, meaning = _CODES[name]
    return code(*(tried if trial else standard), meaning)


def _coded(value: str, meaning: str, said: Dataset) -> Dataset:
    return item("HAS ACQ CONTEXT", "CODE", code(value, "DCM", meaning), ConceptCodeSequence=[said])


def _text(concept: Dataset, text: str) -> Dataset:
    return item("HAS ACQ CONTEXT", "TEXT", concept, TextValue=text)


def _counted(trial: bool, name: str, count: int) -> Dataset:
    if trial:
        return _text(_concept(trial, name), f'({count}, UCUM, "{name}")')
    measured = Dataset()
    measured.NumericValue = count
    measured.MeasurementUnitsCodeSequence = [code(f"{{{name}}}", "UCUM", name)]
    return item("HAS ACQ CONTEXT", "NUM", _concept(trial, name), MeasuredValueSequence=[measured])


def _group(
    trial: bool, modality: str, series: str, description: str, entries: list[list[Dataset]]
) -> Dataset:
    said = [
        _coded("121139", "Modality", code(modality, "DCM", modality)),
        item("HAS ACQ CONTEXT", "DATE", _concept(trial, "date"), Date="20261123"),
        item("HAS ACQ CONTEXT", "TIME", _concept(trial, "time"), Time="120000"),
        _text(_concept(trial, "description"), description),
        _text(code("113607", "DCM", "Series Number"), "7"),
        item("HAS ACQ CONTEXT", "UIDREF", code("112002", "DCM", "Series Instance UID"), UID=series),
        _counted(trial, "instances", len(entries)),
    ]
    return item(
        "CONTAINS",
        "CONTAINER",
        code("126200", "DCM", "Image Library Group"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=[*said, *(each for entry in entries for each in entry)],
    )


def _entry(
    trial: bool, listed: Dataset, number: int, title: str = "", meaning: str = "", description: str = ""
) -> list[Dataset]:
    """The items of an entry: it and, in the trial, what describes it."""
    said = [_text(code("113609", "DCM", "Instance Number"), str(number))]
    if title:
        said.append(_coded("121144", "Document Title", code(title, "DCM", meaning)))
        said.append(_text(code("113012", "DCM", "Key Object Description"), description))
    again = item("CONTAINS", listed.ValueType, ReferencedSOPSequence=listed.ReferencedSOPSequence)
    if trial:
        return [*said, again]
    again.ContentSequence = said
    return [again]


def _key_object() -> Dataset:
    referenced = Dataset()
    referenced.ReferencedSOPClassUID = KEY_OBJECT
    referenced.ReferencedSOPInstanceUID = "1.2.3.60.1"
    return item("CONTAINS", "COMPOSITE", ReferencedSOPSequence=[referenced])
