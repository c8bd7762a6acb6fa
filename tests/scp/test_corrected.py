"""What C-FIND, C-GET and C-MOVE say of corrected objects: what holds now, and only that."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dimse import statuses
from kinote.scp.options import ScpOptions
from tests.corrected import correct
from tests.peers.known import known
from tests.scp.face import OPTIONS, face
from tests.scp.requests import request
from tests.scp.test_services import fill, finding, got, moved
from tests.web.objects import CT, STUDY


def test_find_get_and_move_carry_what_holds_now(tmp_path: Path) -> None:
    with (
        face(tmp_path / "second", ScpOptions(port=0, titles=("SECOND",))) as second,
        face(tmp_path / "first", OPTIONS, known(second.entity("SECOND"))) as first,
    ):
        fill(first)
        catalog = first.rooms.catalog
        correct(catalog, "study", STUDY, PatientID="P-77", StudyInstanceUID={"vr": "UI", "Value": ["1.9.1"]})
        correct(catalog, "instance", "1.2.3.4.1", SOPInstanceUID={"vr": "UI", "Value": ["1.9.3"]})
        assert len(list(finding(first, request("STUDY", StudyInstanceUID="1.9.1")))) == 1
        answers, received = got(first, StudyInstanceUID="1.9.1")
        assert (answers[-1].status, answers[-1].completed) == (statuses.SUCCESS, 3)
        # The UID of the command is that of the data set.
        assert sorted(received) == ["1.2.3.4.2", "1.2.3.4.3", "1.9.3"]
        for uid, data in received.items():
            found = pydicom.dcmread(io.BytesIO(file_meta_bytes(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN) + data))
            assert found.SOPInstanceUID == uid
            assert (found.StudyInstanceUID, found.PatientID) == ("1.9.1", "P-77")
        # One that cannot be corrected fails alone, and nothing of it is sent.
        correct(catalog, "instance", "1.2.3.4.2", PatientSex={"vr": "CS", "Value": ["Ü"]})
        answer = moved(first, "SECOND", PatientID="P-77")
        assert (answer.status, answer.completed, answer.failed) == (
            statuses.SUB_OPERATIONS_WITH_FAILURES,
            2,
            1,
        )
        assert answer.error_comment is not None
        assert answer.error_comment.startswith("The corrections cannot be laid over it")
        assert sorted(got(second, StudyInstanceUID="1.9.1")[1]) == ["1.2.3.4.3", "1.9.3"]
