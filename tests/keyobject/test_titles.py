"""Document titles: CID 7010 by groups, their modifiers, aliases and keys."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from kinote.keyobject.codes import Code, dcm
from kinote.keyobject.titles import (
    BEST_IN_SET_OF,
    MANIFEST_WITH_DESCRIPTION,
    QUALITY_REASONS,
    REMOVAL_REASONS,
    TITLES,
    TitleGroup,
    canonical,
    has_standard_meaning,
    hot_key,
    means_another,
    modifiers_for,
    standard_meaning,
    title_group,
)


@pytest.mark.parametrize(
    ("context_group", "ours"),
    [(7010, TITLES), (7011, QUALITY_REASONS), (7012, BEST_IN_SET_OF), (7031, REMOVAL_REASONS)],
)
def test_context_groups_are_those_of_the_standard(context_group: int, ours: tuple[Code, ...]) -> None:
    """As pydicom has them, by value and meaning."""
    named: Any = concepts["DCM"]
    theirs = {
        (value, meaning)
        for keyword in cid_concepts[context_group]["DCM"]
        for value, (meaning, groups) in named[keyword].items()
        if context_group in groups
    }
    assert {(code.value, code.meaning) for code in ours} == theirs


def test_every_title_has_a_group() -> None:
    assert len(TITLES) == 78
    assert TitleGroup.OTHER not in {title_group(title) for title in TITLES}


@pytest.mark.parametrize(
    ("code", "group"),
    [
        (dcm("113000", ""), TitleGroup.CLINICAL),
        (dcm("113037", ""), TitleGroup.REJECTION),
        (dcm("113030", ""), TitleGroup.MANIFEST),
        (MANIFEST_WITH_DESCRIPTION, TitleGroup.MANIFEST),
        (dcm("128710", ""), TitleGroup.EXPORT),
        (Code("TCE001", "IHERADTF"), TitleGroup.EXPORT),
        (dcm("128180", ""), TitleGroup.RADIOTHERAPY),
        (dcm("130370", ""), TitleGroup.VIDEO),
        (Code("113004", "DICOM"), TitleGroup.CLINICAL),
        (Code("113001", "DICOM"), TitleGroup.OTHER),
        (Code("PR2KO", "DCM4CHEE"), TitleGroup.OTHER),
    ],
)
def test_groups(code: Code, group: TitleGroup) -> None:
    assert title_group(code) is group


def test_aliases_are_of_the_standard_code() -> None:
    assert canonical(Code("TCE007", "IHERADTF")) == dcm("128713", "")
    assert canonical(Code("113000", "dicom")).meaning == "Of Interest"
    assert canonical(Code("X", "DICOM")) == Code("X", "DICOM")


def test_modifiers() -> None:
    best = modifiers_for(dcm("113013", ""))
    rejected = modifiers_for(dcm("113001", ""))
    assert best is not None
    assert rejected is not None
    assert (best.context_group, best.mandatory) == ("7012", True)
    assert (rejected.context_group, rejected.mandatory) == ("7011", False)
    assert modifiers_for(dcm("113000", "")) is None


def test_hot_keys_are_different_and_of_titles_one_can_make() -> None:
    keys = {title: key for title in TITLES if (key := hot_key(title))}
    assert len(set(keys.values())) == len(keys) >= 6
    assert {title_group(title) for title in keys} <= {TitleGroup.CLINICAL, TitleGroup.EXPORT}


def test_meanings_are_compared_without_case_and_spacing() -> None:
    assert has_standard_meaning(dcm("113013", "best in  set"))
    assert not has_standard_meaning(dcm("113013", "Worst in Set"))
    assert has_standard_meaning(Code("113013", "99X", "anything"))
    assert standard_meaning(Code("113013", "99X")) is None


def test_codes_are_equal_whatever_they_are_said_to_mean() -> None:
    assert len({dcm("1", "one"), dcm("1", "uno"), Code("1", "99X", "one")}) == 2


@pytest.mark.parametrize(
    ("title", "is_another"),
    [
        (dcm("113000", "Von Interesse"), False),
        (dcm("113000", "関心あり"), False),
        (dcm("113000", "of  INTEREST"), False),
        (dcm("113000", "For Surgery"), True),
        (dcm("113000", "for  surgery"), True),
        (Code("113000", "99LOCAL", "For Surgery"), False),
        (Code("A1", "99LOCAL", "Of Interest"), False),
    ],
)
def test_only_the_meaning_of_another_code_of_its_scheme_is_wrong(title: Code, is_another: bool) -> None:
    assert means_another(title) is is_another
