"""The commands of the normalized services (PS3.7 10.1, 10.3).

The letters beside the fields are those of the tables in PS3.7 10.1: M is mandatory, U is optional, C depends on the
condition in the comment, and (=) repeats the value of the request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from kinote.dimse.commands import Request, Response


class DataSetRule(Enum):
    """Whether a request has a data set."""

    NONE = "none"
    MAY = "U"
    MUST = "M"


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedRequest(Request, ABC):
    """A request about one SOP Instance, or a notification of it."""

    data_set_rule: ClassVar[DataSetRule] = DataSetRule.MAY

    @property
    @abstractmethod
    def sop_class_uid(self) -> str:
        """The affected or requested SOP Class UID."""

    @property
    @abstractmethod
    def sop_instance_uid(self) -> str | None:
        """The affected or requested SOP Instance UID; None if the SCP of an N-CREATE is to assign it."""


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
    """A response. Its last two fields are present only with certain statuses (PS3.7 Annex C)."""

    affected_sop_class_uid: str | None = None  # U(=)
    affected_sop_instance_uid: str | None = None  # U(=)
    error_id: int | None = None
    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportRequest(_Affecting):
    """N-EVENT-REPORT (PS3.7 10.1.1): the SCP reports an event. The data set is the Event Information (U)."""

    code = 0x0100

    affected_sop_instance_uid: str  # M
    event_type_id: int  # M

    @property
    def sop_instance_uid(self) -> str:
        return self.affected_sop_instance_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportResponse(NormalizedResponse):
    """Response to N-EVENT-REPORT. The data set is the Event Reply (C: only with success)."""

    code = 0x8100

    event_type_id: int | None = None  # C(=): with an Event Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetRequest(_Requesting):
    """N-GET (PS3.7 10.1.2): requests attributes."""

    code = 0x0110
    data_set_rule = DataSetRule.NONE

    attribute_identifier_list: tuple[int, ...] | None = None  # U: all attributes if it is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetResponse(NormalizedResponse):
    """Response to N-GET. The data set is the Attribute List (C: with success or a warning)."""

    code = 0x8110


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetRequest(_Requesting):
    """N-SET (PS3.7 10.1.3): changes attributes. The data set is the Modification List (M)."""

    code = 0x0120
    data_set_rule = DataSetRule.MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetResponse(NormalizedResponse):
    """Response to N-SET. The data set is the Attribute List (U)."""

    code = 0x8120


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionRequest(_Requesting):
    """N-ACTION (PS3.7 10.1.4): requests an action. The data set is the Action Information (U)."""

    code = 0x0130

    action_type_id: int  # M


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionResponse(NormalizedResponse):
    """Response to N-ACTION. The data set is the Action Reply (C: only with success)."""

    code = 0x8130

    action_type_id: int | None = None  # C(=): with an Action Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateRequest(_Affecting):
    """N-CREATE (PS3.7 10.1.5): creates an instance. The data set is the Attribute List (U)."""

    code = 0x0140

    affected_sop_instance_uid: str | None = None  # U: the SCP assigns one if it is missing

    @property
    def sop_instance_uid(self) -> str | None:
        return self.affected_sop_instance_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateResponse(NormalizedResponse):
    """Response to N-CREATE, with the new UID (C: if the request had none). The data set is the Attribute List (U)."""

    code = 0x8140


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteRequest(_Requesting):
    """N-DELETE (PS3.7 10.1.6): deletes an instance."""

    code = 0x0150
    data_set_rule = DataSetRule.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteResponse(NormalizedResponse):
    """Response to N-DELETE."""

    code = 0x8150
