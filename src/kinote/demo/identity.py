"""The patients and studies of the demo, with fixed UIDs, so that loading the demo twice changes nothing.

All persons are fictitious.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.values.uids import uid_from


@dataclass(frozen=True, slots=True)
class Patient:
    """A fictitious patient. `name` is a value of VR PN, `birth_date` of VR DA."""

    number: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class Study:
    """A study. `date` and `time` are values of VR DA and TM. `key` identifies it within the demo."""

    key: str
    patient: Patient
    date: str
    time: str
    description: str
    accession_number: str
    age: str

    @property
    def uid(self) -> str:
        return uid_from("kinote demo", self.key)

    def series_uid(self, series: int) -> str:
        """Return the UID of the series with this number."""
        return uid_from("kinote demo", self.key, str(series))

    def instance_uid(self, series: int, instance: int) -> str:
        """Return the UID of the instance with this number in a series."""
        return uid_from("kinote demo", self.key, str(series), str(instance))

    @property
    def frame_of_reference_uid(self) -> str:
        return uid_from("kinote demo", self.key, "frame of reference")


ASTRID = Patient("DEMO-1001", "Lindqvist^Astrid", "19580312", "F")
HANA = Patient("DEMO-1002", "Sakurai^Hana=桜井^花=さくらい^はな", "19740521", "F")
JOERG = Patient("DEMO-1003", "Grünwald^Jörg", "19661104", "M")

EARLIER_CHEST_CT = Study(
    "earlier chest ct", ASTRID, "20260209", "094512", "CT chest, follow-up", "DA26-00417", "067Y"
)
RADIOGRAPH = Study("radiograph", ASTRID, "20260910", "081530", "Chest radiograph", "DA26-03982", "068Y")
CHEST_CT = Study("chest ct", ASTRID, "20260914", "101122", "CT chest with contrast", "DA26-04031", "068Y")
HEAD_MR = Study("head mr", HANA, "20260921", "143005", "MR head", "DA26-04158", "052Y")
LIVER_US = Study("liver us", JOERG, "20260928", "090240", "Sonographie Oberbauch", "DA26-04266", "059Y")

#: The slices of the chest CTs that show the nodule best, and the slices of the MR that show the lesion.
NODULE_SLICE, EARLIER_NODULE_SLICE = 16, 11
LESION_SLICES = (11, 12)

#: The number of the series with the presentation state in the chest CT.
MARKS_SERIES = 100
