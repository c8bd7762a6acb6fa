"""Where others have taken all memory, each service says so by its own status, and the association goes on (law 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.information_models import STUDY_ROOT
from kinote.memory.shared import MEMORY
from tests.full_memory import comes_back, full_memory
from tests.scp.face import face
from tests.scp.requests import encoded, request
from tests.scp.test_services import stored
from tests.web.objects import CT, STUDY, image


def _nothing_comes(*_: object) -> Any:
    raise AssertionError("nothing is to be sent")


def test_law_5_without_memory_each_service_refuses_for_now(tmp_path: Path) -> None:
    before = MEMORY.held
    asked = encoded(request("STUDY", StudyInstanceUID=STUDY), EXPLICIT_VR_LITTLE_ENDIAN)
    with (
        face(tmp_path / "data") as opened,
        opened.called(invoking.VERIFICATION, STUDY_ROOT.find, STUDY_ROOT.get, CT) as association,
    ):
        with full_memory():
            refused = stored(association, image(1))
            assert refused.status == statuses.OUT_OF_RESOURCES
            assert refused.error_comment is not None
            assert "memory" in refused.error_comment
            ((found, _),) = invoking.find(association, STUDY_ROOT.find, asked)
            assert found.status == statuses.OUT_OF_RESOURCES
            (got,) = invoking.get(association, STUDY_ROOT.get, asked, _nothing_comes)
            assert got.status == statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
            assert invoking.echo(association).status == statuses.SUCCESS
        assert stored(association, image(1)).status == statuses.SUCCESS
        first, *_ = invoking.find(association, STUDY_ROOT.find, asked)
        assert first[0].status == statuses.PENDING
    assert comes_back(before)
