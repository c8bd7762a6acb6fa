"""What Kinote writes, judged by the tools of others: dciodvfy (dicom3tools), dsrdump (DCMTK), highdicom."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import highdicom
import pydicom
import pytest
from hypothesis import given, settings

from kinote.keyobject.model import KeyObjectDocument, Reference
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import CT, ULTRASOUND, document, documents, instance
from tests.scale import SCALE


def tool(name: str) -> str:
    """The path of a peer; a missing one fails under CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing; scripts/test installs it")
        pytest.skip(f"{name} is missing; scripts/test installs it")
    return found


def run(program: str, path: Path, *options: str) -> str:
    done = subprocess.run([program, *options, str(path)], capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.mark.soak
@settings(max_examples=SCALE.property_examples // 10, deadline=None)
@given(documents())
def test_no_tool_finds_an_error(document: KeyObjectDocument) -> None:
    dciodvfy, dsrdump = tool("dciodvfy"), tool("dsrdump")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kos.dcm"
        path.write_bytes(encode_file(document))
        judged = run(dciodvfy, path)
        assert [line for line in judged.splitlines() if line.startswith("Error")] == []
        dumped = run(dsrdump, path)
    assert [line for line in dumped.splitlines() if line.startswith(("E:", "F:"))] == []
    assert dumped.count("contains ") >= len(document.selection.references)


def test_highdicom_reads_the_same_references() -> None:
    source = document(Reference(instance(1, CT)), Reference(instance(2, ULTRASOUND), frames=(3, 7)))
    dataset = pydicom.dcmread(io.BytesIO(encode_file(source)))
    read = highdicom.ko.KeyObjectSelectionDocument.from_dataset(dataset)
    for reference in source.selection.references:
        study, series, sop = read.resolve_reference(reference.instance.sop_instance_uid)
        assert (study, series, sop) == (
            reference.instance.study_instance_uid,
            reference.instance.series_instance_uid,
            reference.instance.sop_instance_uid,
        )
    assert read.content.get_references()[1].referenced_frame_numbers == [3, 7]
