"""Variants of what surrounds the content: patient, series, dates, requests."""

from __future__ import annotations

from pydicom.dataset import Dataset

from tests.keyobject.variants.changes import OWN_STUDY, all_of, element, having, in_first, requested, without
from tests.keyobject.variants.surroundings import IMAGES
from tests.keyobject.variants.variant import STUDY, nothing, variant

_CONTENT_DATE, _CONTENT_TIME, _TIMEZONE, _NAME = 0x00080023, 0x00080033, 0x00080201, 0x00100010

_RESOLVED = ("resolved", "resolved")

_OF_ITS_STUDY = (
    "The reference table calls it unreadable where its study is not known. It is shown in its study and nowhere "
    "else, whosever that turns out to be: nothing is gained by hiding what it says until then."
)

ROWS = (
    variant("V36", having(StudyInstanceUID=OWN_STUDY), infos=("OWN_STUDY_NOT_REFERENCED",)),
    variant("V37", having(SeriesInstanceUID=f"{STUDY}.4"), "SERIES_MIXED"),
    variant("V38", having(Modality=""), "MODALITY"),
    variant("V39", having(Modality="SR"), "MODALITY"),
    variant("V40", nothing, "CONTENT_DATE_TIME", rewritten=element(_CONTENT_DATE, "DA", b"2026-11-24")),
    variant(
        "V40 no date",
        nothing,
        "CONTENT_DATE_TIME",
        rewritten=element(_CONTENT_DATE, "DA", b"tomorrow"),
        created="",
    ),
    variant(
        "V41",
        nothing,
        "CONTENT_DATE_TIME",
        rewritten=element(_CONTENT_TIME, "TM", b"25:61:00"),
        created="2026-11-24",
    ),
    variant(
        "V41 colons",
        nothing,
        "CONTENT_DATE_TIME",
        rewritten=element(_CONTENT_TIME, "TM", b"08:30:00"),
        created="2026-11-24T08:30:00+01:00",
    ),
    variant(
        "V41 tab",
        nothing,
        "CONTENT_DATE_TIME",
        rewritten=element(_CONTENT_TIME, "TM", b"083000\t "),
        created="2026-11-24",
    ),
    variant("V42", all_of(without("ContentDate"), without("ContentTime")), "CONTENT_DATE_TIME", created=""),
    variant(
        "V42 creation date",
        all_of(
            without("ContentDate"),
            having(InstanceCreationDate="20261122", InstanceCreationTime="0405"),
        ),
        "CONTENT_DATE_TIME",
        created="2026-11-22T04:05:00+01:00",
    ),
    variant("V43", without("InstanceNumber"), "TYPE_1_MISSING"),
    variant("V44", having(SeriesNumber=None), "TYPE_1_MISSING"),
    variant("V45", without("ReferencedPerformedProcedureStepSequence"), "TYPE_2_MISSING"),
    variant("six components", nothing, "PERSON_NAME", rewritten=element(_NAME, "PN", b"a^b^c^d^e^f ")),
    variant("four groups", nothing, "PERSON_NAME", rewritten=element(_NAME, "PN", b"a=b=c=d ")),
    variant("V73", having(PatientID=""), "NO_PATIENT", why=_OF_ITS_STUDY),
    variant("V74", all_of(without("PatientID"), without("PatientName")), "NO_PATIENT", why=_OF_ITS_STUDY),
    variant("V73 known study", having(PatientID=""), "NO_PATIENT", before=IMAGES, statuses=_RESOLVED),
    variant("V76", having(TimezoneOffsetFromUTC="+99:00"), "TIMEZONE", created="2026-11-24T06:30:00"),
    variant(
        "V76 tab",
        nothing,
        "TIMEZONE",
        rewritten=element(_TIMEZONE, "SH", b"+0100\t"),
        created="2026-11-24T06:30:00",
    ),
    variant(
        "V80",
        having(CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED"),
        infos=("FOREIGN_ATTRIBUTES",),
    ),
    variant("V90", requested(f"{STUDY}.98"), "REQUEST_MISMATCH"),
    variant(
        "V98",
        having(ContentDate="20200101"),
        infos=("DATED_BEFORE_STUDY",),
        created="2020-01-01T06:30:00+01:00",
    ),
    variant("request", in_first(lambda d: d, ReferencedRequestSequence=[Dataset()])),
)
