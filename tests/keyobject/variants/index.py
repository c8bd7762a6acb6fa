"""Variants that are odd only beside what a product has: frames, patients, UIDs, rejections, what is still to come."""

from __future__ import annotations

from pydicom.dataset import Dataset

from kinote.keyobject.model import InstanceReference, Reference
from kinote.keyobject.writer import encode
from tests.keyobject.documents import EXPLICIT, KEY_OBJECT
from tests.keyobject.variants.changes import all_of, in_first, listed, series, sop, titled
from tests.keyobject.variants.surroundings import (
    FLAGS_IT,
    IMAGES,
    OF_ANOTHER_PATIENT,
    OTHER_UID,
    SAME_UID,
    image,
)
from tests.keyobject.variants.variant import (
    STUDY,
    Fate,
    document,
    encoded,
    everywhere,
    file_meta,
    good,
    nothing,
    variant,
)

_BOTH = ("resolved", "resolved")

_rejecting = titled(CodeValue="113039", CodeMeaning="Data Retention Policy Expired")


def _flags_back() -> bytes:
    other = InstanceReference(STUDY, f"{STUDY}.50", KEY_OBJECT, OTHER_UID)
    return encode(document(Reference(other)))


def _wrong_places(dataset: Dataset) -> None:
    """The evidence has another series, and another class of the first image, than it lies in and is of."""
    series(dataset).SeriesInstanceUID = f"{STUDY}.88"
    for select in (listed, sop):
        select(dataset).ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


ROWS = (
    variant(
        "V23",
        in_first(lambda d: sop(d, 1), ReferencedFrameNumber=[3, 999]),
        before=IMAGES,
        statuses=_BOTH,
        frames=((), (3,)),
        noted=frozenset({"FRAME_NOT_THERE"}),
    ),
    variant(
        "V23 before its image",
        in_first(lambda d: sop(d, 1), ReferencedFrameNumber=[3, 999]),
        statuses=("pending", "pending"),
        after=IMAGES,
        statuses_after=_BOTH,
        frames=((), (3,)),
        noted=frozenset({"FRAME_NOT_THERE"}),
    ),
    variant(
        "V24 image there",
        in_first(lambda d: sop(d, 1), ReferencedFrameNumber=[0, 3]),
        "FRAMES_INVALID",
        before=IMAGES,
        statuses=_BOTH,
        frames=((), (3,)),
    ),
    variant(
        "V25 by the index",
        nothing,
        before=(image(1), image(2, NumberOfFrames=1, PixelData=bytes(8))),
        statuses=_BOTH,
        frames=((), ()),
        noted=frozenset({"FRAME_NOT_THERE"}),
    ),
    variant("V28 by the index", _wrong_places, before=IMAGES, statuses=_BOTH),
    variant(
        "V34",
        before=(OF_ANOTHER_PATIENT, image(2)),
        statuses=("foreign", "resolved"),
        noted=frozenset({"CROSS_PATIENT"}),
    ),
    variant(
        "V34 before its image",
        after=(OF_ANOTHER_PATIENT, image(2)),
        statuses_after=("foreign", "resolved"),
        noted=frozenset({"CROSS_PATIENT"}),
    ),
    variant("V54", written=_flags_back, references=1, before=(FLAGS_IT,), statuses=("resolved",)),
    variant("V64", before=(SAME_UID,), fates=everywhere(Fate("held"))),
    variant(
        "V64 the same again",
        before=(file_meta(EXPLICIT) + encoded(good()),),
        fates=everywhere(Fate("known")),
    ),
    variant(
        "V64 rejection",
        _rejecting,
        before=(SAME_UID,),
        fates=everywhere(Fate("held")),
        why="Held as any other copy is: where nothing is done before somebody decides, nobody need be told A770.",
    ),
    variant(
        "V77",
        before=IMAGES,
        withdrawn=(f"{STUDY}.4.1",),
        statuses=("withdrawn", "resolved"),
    ),
    variant("V92", after=IMAGES, statuses_after=_BOTH),
    variant(
        "V93",
        _rejecting,
        after=IMAGES,
        statuses_after=_BOTH,
        noted=frozenset({"REJECTION_NOT_AUTHORISED"}),
        why="Its sender may not reject (V94), so that it waits for a person.",
    ),
    variant(
        "V94",
        _rejecting,
        before=IMAGES,
        statuses=_BOTH,
        noted=frozenset({"REJECTION_NOT_AUTHORISED"}),
    ),
    variant(
        "V94 of a scheme that is none",
        all_of(_rejecting, titled(CodingSchemeDesignator="99X")),
        before=IMAGES,
        statuses=_BOTH,
    ),
)
