"""While the index is not to be had, each service says so by its own status, and the association goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from kinote.catalog.sql.unavailable import IndexUnreachableError
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dimse import invoking, statuses
from kinote.dimse.information_models import STUDY_ROOT
from tests.scp.face import PROCESSES, face
from tests.scp.requests import encoded, request
from tests.scp.test_services import stored
from tests.web.objects import CT, STUDY, image


@pytest.mark.parametrize("processes", PROCESSES)
def test_an_object_is_refused_for_want_of_resources_and_the_next_is_taken(
    tmp_path: Path, processes: int
) -> None:
    with face(tmp_path / "data", processes=processes) as opened, opened.called(CT) as association:
        driver: Any = opened.rooms.catalog.write(lambda transaction: transaction.connection.driver_connection)
        driver.execute("PRAGMA query_only = ON")
        for number in (1, 2):
            refused = stored(association, image(number))
            assert refused.status == statuses.OUT_OF_RESOURCES
            assert refused.error_comment is not None
            assert "can be read and not written" in refused.error_comment
        driver.execute("PRAGMA query_only = OFF")
        assert stored(association, image(1)).status == statuses.SUCCESS


def _nothing_comes(*_: object) -> Any:
    raise AssertionError("nothing is to be sent")


def test_queries_and_retrievals_are_refused_for_want_of_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(_self: Catalog, *_: object, **__: object) -> NoReturn:
        raise IndexUnreachableError

    with (
        face(tmp_path / "data") as opened,
        opened.called(invoking.VERIFICATION, STUDY_ROOT.find, STUDY_ROOT.get) as association,
    ):
        asked = encoded(request("STUDY", StudyInstanceUID=STUDY), EXPLICIT_VR_LITTLE_ENDIAN)
        with monkeypatch.context() as broken:
            for name in ("read", "find_latest", "find_all_latest"):
                broken.setattr(Catalog, name, out_of_reach)
            ((found, _),) = invoking.find(association, STUDY_ROOT.find, asked)
            assert found.status == statuses.OUT_OF_RESOURCES
            (got,) = invoking.get(association, STUDY_ROOT.get, asked, _nothing_comes)
            assert got.status == statuses.OUT_OF_RESOURCES_SUB_OPERATIONS
        assert invoking.echo(association).status == statuses.SUCCESS
