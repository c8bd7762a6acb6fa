"""The order in which objects, notes and rejections arrive does not matter, and neither does how they are grouped."""

from __future__ import annotations

import io
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Reference
from kinote.lifecycle.rejection import arriving, naming
from kinote.lifecycle.rejection.rules import Effect
from tests.catalog.archive import CT
from tests.lifecycle.rejected import (
    ARCHIVE,
    EXPIRED,
    QUALITY,
    SAFETY,
    STRANGER,
    TITLES,
    WORKLIST,
    end_state,
    findings,
    image,
    live,
    receive,
    rejection,
    with_title,
)
from tests.notes.sample_studies import KEY_OBJECT, key_object, place


def evidence(document: bytes, *uids: str) -> bytes:
    """The document with other instances in its evidence (PS3.3 C.17.6.2)."""
    read = dcmread(io.BytesIO(document), force=True)
    items = []
    for uid in uids:
        where = place(uid)
        item, series, instance = Dataset(), Dataset(), Dataset()
        instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = CT, uid
        series.SeriesInstanceUID, series.ReferencedSOPSequence = where.series_instance_uid, [instance]
        item.StudyInstanceUID, item.ReferencedSeriesSequence = where.study_instance_uid, [series]
        items.append(item)
    read.CurrentRequestedProcedureEvidenceSequence = items
    buffer = io.BytesIO()
    dcmwrite(buffer, read, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def day(root: str) -> list[tuple[bytes, Any]]:
    """What arrives, each with its sender: two studies of one patient, one of another, and rejections of all kinds."""
    own, other = {"PatientID": f"{root}P"}, {"PatientID": f"{root}Q", "PatientName": "Roe^Richard"}
    first, second, foreign = f"{root}.1.1.1", f"{root}.2.1.1", f"{root}.3.1.1"
    kos, safety, quality, expired, strange = (f"{root}.1.{number}.1" for number in (70, 80, 81, 82, 83))
    copies = [f"{root}.2.90.1", f"{root}.3.90.1"]
    whose = {"patient": own["PatientID"]}

    def to(uid: str) -> Reference:
        return Reference(place(uid, KEY_OBJECT))

    return [
        (image(first, **own), ARCHIVE),
        (image(second, **own), ARCHIVE),
        (image(foreign, **other), ARCHIVE),
        (key_object(kos, first, **whose), ARCHIVE),
        (rejection(safety, first, foreign, copies=copies[1:], title=SAFETY, **whose), ARCHIVE),
        (rejection(quality, to(kos), to(safety), title=QUALITY, **whose), ARCHIVE),
        (evidence(rejection(expired, second, copies=copies[:1], title=EXPIRED, **whose), first), ARCHIVE),
        (rejection(strange, second, copies=copies[:1], title=WORKLIST, **whose), STRANGER),
    ]


_roots = count(1000)


def ends(catalog: Catalog, order: list[int], cuts: list[bool], **options: Any) -> str:
    """The end state after these have arrived in this order; a cut after each says where a group ends."""
    root = f"1.{next(_roots)}"
    arriving_now = day(root)
    group: list[bytes] = []
    for at, cut in zip(order, cuts, strict=True):
        data, sender = arriving_now[at]
        if sender is STRANGER:
            receive(catalog, data, by=STRANGER, **options)
            continue
        group.append(data)
        if cut:
            receive(catalog, *group, **options)
            group = []
    receive(catalog, *group, **options)
    state = [
        [each for each in part if root in repr(each)]
        if isinstance(part, list)
        else sorted(each for each in part.items() if root in each[0])
        for part in end_state(catalog)
    ]
    return repr(state).replace(root, "ROOT")


NUMBER = len(day("1.9"))
AS_LISTED = (list(range(NUMBER)), [True] * NUMBER)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    order=st.permutations(range(NUMBER)),
    cuts=st.lists(st.booleans(), min_size=NUMBER, max_size=NUMBER),
    marks=st.booleans(),
)
def test_law_4_the_end_does_not_depend_on_the_order_of_arrival(
    catalog: Catalog, order: list[int], cuts: list[bool], marks: bool
) -> None:
    rules = with_title(QUALITY, effect=Effect.MARKED if marks else Effect.HIDDEN)
    assert ends(catalog, order, cuts, rules=rules) == ends(catalog, *AS_LISTED, rules=rules)


def test_breach_of_law_4_a_rejection_that_acts_only_on_what_is_here_is_noticed(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = naming.instances_of

    def only_here(reading: Any, title: Code, own_uid: str) -> list[Any]:
        return [] if not live(catalog) else named(reading, title, own_uid)

    monkeypatch.setattr(arriving, "instances_of", only_here)
    assert ends(catalog, list(reversed(range(NUMBER))), [True] * NUMBER) != ends(catalog, *AS_LISTED)


@pytest.mark.parametrize("title", TITLES, ids=lambda title: title.value)
def test_where_content_and_evidence_disagree_more_is_hidden_and_less_is_deleted(
    catalog: Catalog, title: Code
) -> None:
    """standards.md section 5: titles that hide act on the union, 113039 only on what both name."""
    both, content, listed, other = (f"1.2.1.1.{number}" for number in range(1, 5))
    note = evidence(rejection("1.2.1.80.1", both, content, title=title), both, listed)
    receive(catalog, *(image(uid) for uid in (both, content, listed, other)), note)
    if title == EXPIRED:
        assert live(catalog) == [content, listed, other, "1.2.1.80.1"]
        assert [code for _, code, _ in findings(catalog)] == ["REJECTION_DISPUTED"]
    else:
        assert live(catalog) == [other, "1.2.1.80.1"]
        assert findings(catalog) == []


def test_a_note_without_evidence_hides_and_deletes_nothing(catalog: Catalog) -> None:
    """An empty evidence sequence is no reason to fail (dcm4chee: a null pointer)."""
    hiding = evidence(rejection("1.2.1.80.1", "1.2.1.1.1", title=SAFETY))
    deleting = evidence(rejection("1.2.1.80.2", "1.2.1.1.2", title=EXPIRED))
    receive(catalog, image("1.2.1.1.1"), image("1.2.1.1.2"), hiding, deleting)
    assert live(catalog) == ["1.2.1.1.2", "1.2.1.80.1", "1.2.1.80.2"]
