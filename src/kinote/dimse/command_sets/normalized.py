"""The commands of the normalized services (PS3.7 10.1, 10.3).

The letters beside the fields are those of the tables of PS3.7 10.1: M must be there, U may be, C depends on
what the comment says, and (=) repeats the request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from kinote.dimse.commands import Request, Response


class DataSetRule(Enum):
    """Whether a data set goes with a request."""

    NONE = "none"
    MAY = "U"
    MUST = "M"


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedRequest(Request, ABC):
    """What is asked of, or told about, one SOP Instance."""

    data_set_rule: ClassVar[DataSetRule] = DataSetRule.MAY

    @property
    @abstractmethod
    def sop_class_uid(self) -> str:
        """The SOP class of the instance, whether it is called affected or requested."""

    @property
    @abstractmethod
    def sop_instance_uid(self) -> str | None:
        """The instance; None where the SCP of an N-CREATE is to name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Affecting(NormalizedRequest):
    affected_sop_class_uid: str  # M

    @property
    def sop_class_uid(self) -> str:
        return self.affected_sop_class_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requesting(NormalizedRequest):
    requested_sop_class_uid: str  # M
    requested_sop_instance_uid: str  # M

    @property
    def sop_class_uid(self) -> str:
        return self.requested_sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        return self.requested_sop_instance_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedResponse(Response):
    """An answer; the last two fields go with certain statuses (PS3.7 Annex C)."""

    affected_sop_class_uid: str | None = None  # U(=)
    affected_sop_instance_uid: str | None = None  # U(=)
    error_id: int | None = None
    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportRequest(_Affecting):
    """N-EVENT-REPORT (PS3.7 10.1.1): the SCP tells of an event; the data set is the Event Information (U)."""

    code = 0x0100

    affected_sop_instance_uid: str  # M
    event_type_id: int  # M

    @property
    def sop_instance_uid(self) -> str:
        return self.affected_sop_instance_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportResponse(NormalizedResponse):
    """Its answer; the data set is the Event Reply (C: only with success)."""

    code = 0x8100

    event_type_id: int | None = None  # C(=): with an Event Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetRequest(_Requesting):
    """N-GET (PS3.7 10.1.2): asks for attributes."""

    code = 0x0110
    data_set_rule = DataSetRule.NONE

    attribute_identifier_list: tuple[int, ...] | None = None  # U: all attributes where it is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetResponse(NormalizedResponse):
    """Its answer; the data set is the Attribute List (C: with success or a warning)."""

    code = 0x8110


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetRequest(_Requesting):
    """N-SET (PS3.7 10.1.3): changes attributes; the data set is the Modification List (M)."""

    code = 0x0120
    data_set_rule = DataSetRule.MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetResponse(NormalizedResponse):
    """Its answer; the data set is the Attribute List (U)."""

    code = 0x8120


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionRequest(_Requesting):
    """N-ACTION (PS3.7 10.1.4): asks for an action; the data set is the Action Information (U)."""

    code = 0x0130

    action_type_id: int  # M


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionResponse(NormalizedResponse):
    """Its answer; the data set is the Action Reply (C: only with success)."""

    code = 0x8130

    action_type_id: int | None = None  # C(=): with an Action Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateRequest(_Affecting):
    """N-CREATE (PS3.7 10.1.5): makes an instance; the data set is the Attribute List (U)."""

    code = 0x0140

    affected_sop_instance_uid: str | None = None  # U: the SCP names the instance where it is missing

    @property
    def sop_instance_uid(self) -> str | None:
        return self.affected_sop_instance_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateResponse(NormalizedResponse):
    """Its answer, with the instance's UID (C: where the request had none); the data set is the Attribute List (U)."""

    code = 0x8140


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteRequest(_Requesting):
    """N-DELETE (PS3.7 10.1.6): removes an instance."""

    code = 0x0150
    data_set_rule = DataSetRule.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteResponse(NormalizedResponse):
    """Its answer."""

    code = 0x8150
