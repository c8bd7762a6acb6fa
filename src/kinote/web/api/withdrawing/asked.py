"""What is asked for when instances, series or studies are withdrawn."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from kinote.dicom.values.uids import is_tolerable
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import REMOVAL_REASONS
from kinote.lifecycle.acts import FOR_OBJECTS, OTHER_COPY_CHOSEN, Act
from kinote.lifecycle.second_person.whole_series import FOR_GOOD
from kinote.lifecycle.withdrawals.scope import NothingMeantError, Scope, scope
from kinote.notes.acts.rejection import reject
from kinote.security.actors import Actor
from kinote.web.api.protocol.keys import LARGEST
from kinote.web.problems import FieldError, RefusedContentError


class WantedReason(BaseModel):
    """A code of PS3.16 CID 7031."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scheme: str = "DCM"
    value: str


class SingleCopy(BaseModel):
    """One copy of an instance, by its number. Other copies with its UID are not affected."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sop_instance_uid: str
    copy_: Annotated[int, Field(alias="copy", ge=1, le=LARGEST)]


class AskedWithdrawal(BaseModel):
    """What to withdraw, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    act: Annotated[str, Field(description="The name of an act, as `GET acts` lists them.")]
    reason: Annotated[
        WantedReason | None, Field(description="A code of CID 7031 in place of that of the act.")
    ] = None
    text: Annotated[str, Field(max_length=4000, description="Why, in your words.")] = ""
    studies: Annotated[list[str], Field(max_length=1000)] = []
    series: Annotated[list[str], Field(max_length=10_000)] = []
    instances: Annotated[
        list[str | SingleCopy],
        Field(max_length=100_000, description="UIDs, arrived or not; or `{sop_instance_uid, copy}`."),
    ] = []

    def wanted_act(self) -> Act:
        """Return the act that it names. Raises `RefusedContentError`."""
        found = next((act for act in FOR_OBJECTS if act.name == self.act), None)
        if found is None:
            names = ", ".join(act.name for act in FOR_OBJECTS)
            raise refused("act", f"is none by which objects are withdrawn; these are {names}.")
        return found

    def wanted_reason(self) -> Code | None:
        """Return the code that it gives in place of that of the act. Raises `RefusedContentError`."""
        if self.reason is None:
            return None
        code = Code(self.reason.value or "?", self.reason.scheme or "?")
        found = next((each for each in REMOVAL_REASONS if each == code), None)
        if found is None:
            codes = ", ".join(str(each) for each in REMOVAL_REASONS)
            raise refused("reason", f"is none of CID 7031: {codes}.")
        return found

    @property
    def is_whole(self) -> bool:
        """Whether it names whole studies or series."""
        return bool(self.studies or self.series)

    def needs_text(self, act: Act) -> bool:
        """Return whether it takes a reason in a person's words."""
        return act in FOR_GOOD and self.is_whole

    def check(self, act: Act) -> None:
        """Refuse a request that names nothing, an invalid UID or the same twice, or that does not fit the act."""
        if not (self.studies or self.series or self.instances):
            raise refused("instances", "Name at least one study, series or instance.")
        instances = [each if isinstance(each, str) else each.sop_instance_uid for each in self.instances]
        for name, uids in (("studies", self.studies), ("series", self.series), ("instances", instances)):
            seen: set[str] = set()
            for position, uid in enumerate(uids):
                if not is_tolerable(uid):
                    raise refused(f"{name}[{position}]", "is no UID.")
                if uid in seen:
                    raise refused(f"{name}[{position}]", "is named twice.")
                seen.add(uid)
        if act is OTHER_COPY_CHOSEN:
            self._check_copies()

    def _check_copies(self) -> None:
        """Refuse copies together with their UID, which would withdraw the chosen copy as well."""
        for name, uids in (("studies", self.studies), ("series", self.series)):
            if uids:
                raise refused(name, f"Name single copies: {OTHER_COPY_CHOSEN} means no whole {name}.")
        for position, each in enumerate(self.instances):
            if isinstance(each, str):
                raise refused(
                    f"instances[{position}]", f"Name a single copy: {OTHER_COPY_CHOSEN} means no other."
                )

    def scope(self, connection: Connection) -> Scope:
        """Return what it means now. Raises `RefusedContentError`."""
        try:
            return scope(
                connection,
                studies=self.studies,
                series_uids=self.series,
                instances=[each for each in self.instances if isinstance(each, str)],
                copies={
                    each.sop_instance_uid: each.copy_
                    for each in self.instances
                    if isinstance(each, SingleCopy)
                },
            )
        except NothingMeantError as error:
            raise refused(error.field, str(error)) from error


def refused(field: str, message: str) -> RefusedContentError:
    """Return the error for a field of the request."""
    return RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)])


def carry_out(
    transaction: Connection,
    asked: AskedWithdrawal,
    meant: Scope,
    *,
    by: Actor,
    now: datetime,
    undo_window: timedelta,
) -> int:
    """Withdraw what was asked for, and return the number of the withdrawal."""
    return reject(
        transaction,
        meant.sop_instance_uids,
        act=asked.wanted_act(),
        text=asked.text.strip(),
        by=by,
        now=now,
        copies=meant.copies,
        reason=asked.wanted_reason(),
        undo_window=undo_window,
    )


def scope_as_json(found: Scope) -> dict[str, Any]:
    """Return what a withdrawal means, counted, and by study."""
    return {
        "instances": len(found.sop_instance_uids),
        "withdrawn": found.withdrawn,
        "already_withdrawn": found.already_withdrawn,
        "not_here": found.not_here,
        "studies": [asdict(share) for share in found.studies],
    }
