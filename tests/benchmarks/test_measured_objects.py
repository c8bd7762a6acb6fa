"""What is sent and how it is named, and whose processor time is counted."""

from __future__ import annotations

import io
import subprocess
import sys
from functools import partial

import pydicom
import pytest

from benchmarks.objects import image, key_object
from benchmarks.processes import count, processor_seconds
from benchmarks.uids import IN_ORDER, SCATTERED, Naming

MANY = 3000


@pytest.mark.parametrize("naming", [IN_ORDER, SCATTERED])
def test_no_two_names_are_the_same(naming: Naming) -> None:
    studies = {naming.study(number) for number in range(MANY)}
    images = {naming.image(number, at) for number in range(MANY) for at in range(10)}
    assert (len(studies), len(images)) == (MANY, 10 * MANY)


def test_scattered_names_fall_anywhere() -> None:
    firsts = {SCATTERED.image(number, 0).split(".")[4][0] for number in range(MANY)}
    assert firsts == set("123456789")


@pytest.mark.parametrize("naming", [IN_ORDER, SCATTERED])
@pytest.mark.parametrize("make", [partial(image, size=16), key_object])
def test_what_is_sent_is_named_alike_everywhere_in_it(make: partial[bytes], naming: Naming) -> None:
    found = pydicom.dcmread(io.BytesIO(make(12_345, naming=naming)))
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
    assert found.PatientID[3:] == found.AccessionNumber[3:] == found.StudyInstanceUID.split(".")[4]
    assert found.SOPInstanceUID != pydicom.dcmread(io.BytesIO(make(12_346, naming=naming))).SOPInstanceUID


_WITH_CHILDREN = """
import subprocess, sys
below = "import subprocess, sys; subprocess.run(['cat'])"
print("begun", flush=True)
subprocess.run([sys.executable, "-c", below], start_new_session=True)
"""


def test_all_processes_below_a_receiver_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WITH_CHILDREN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while count(process.pid) < 3:
            assert process.poll() is None
        assert processor_seconds(process.pid) > 0
