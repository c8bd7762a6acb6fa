"""Image libraries of manifests (TID 1600 to 1602), as CP-2595 has them and as in the trial of IHE MADO."""

from __future__ import annotations

import pytest

from kinote.keyobject.check import check
from kinote.keyobject.codes import dcm
from kinote.keyobject.image_library import ImageLibrary
from kinote.keyobject.reader import read
from kinote.keyobject.titles import TitleGroup, title_group
from kinote.keyobject.writer import encode
from tests.keyobject.documents import EXPLICIT, document
from tests.keyobject.kinds import manifest
from tests.keyobject.variants.variant import encoded


@pytest.mark.parametrize("trial", [False, True], ids=["standard", "trial"])
def test_what_it_says_of_series_and_objects_is_read(trial: bool) -> None:
    reading = read(encoded(manifest(trial=trial)), EXPLICIT)
    library = reading.image_library
    assert isinstance(library, ImageLibrary)
    assert (library.series_count, library.target_regions[0].meaning) == (2, "Chest")
    images, marks = library.groups
    assert (images.modality, marks.modality) == (dcm("CT", "CT"), dcm("KO", "KO"))
    assert (images.series_instance_uid, images.series_number) == ("1.2.3.4", "7")
    assert (images.date, images.time, images.description) == ("20261123", "120000", "Thorax")
    assert (images.instance_count, marks.instance_count) == (2, 1)
    assert [entry.instance_number for entry in images.entries] == ["1", "2"]
    (mark,) = library.key_objects
    assert (mark.title, mark.description) == (dcm("113003", "For Surgery"), "A nodule")
    assert mark.title is not None and mark.title.meaning == "For Surgery"
    assert mark.sop_instance_uid == "1.2.3.60.1"


@pytest.mark.parametrize("trial", [False, True], ids=["standard", "trial"])
def test_the_root_says_what_is_listed_and_its_entries_are_not_the_notes(trial: bool) -> None:
    reading = read(encoded(manifest(trial=trial)), EXPLICIT)
    assert reading.registration == "registered"
    assert reading.references_from == "content"
    assert [each.sop_instance_uid for each in reading.references] == ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.60.1"]
    assert reading.descriptions == ()
    assert reading.title and title_group(reading.title) is TitleGroup.MANIFEST


def test_the_check_says_what_it_lists() -> None:
    report = check(encoded(manifest()), EXPLICIT)
    assert [(found.code, found.severity) for found in report.findings] == [("IMAGE_LIBRARY", "info")]
    assert "3, of which 1 are key objects" in report.findings[0].text


def test_other_key_objects_have_none() -> None:
    assert read(encode(document()), EXPLICIT).image_library is None
