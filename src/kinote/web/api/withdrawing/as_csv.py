"""Lists of withdrawals as CSV, for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.withdrawals.lists import ListedWithdrawal, WithdrawalFilter, withdrawals
from kinote.lifecycle.withdrawals.scope import StudyShare, shares_of
from kinote.web.api.protocol.csv_lines import csv_line

#: The number of withdrawals that an export reads at once.
_PAGE = 200

_HEAD = (
    "withdrawal",
    "made_at",
    "act",
    "reason_scheme",
    "reason_value",
    "reason_meaning",
    "text",
    "by_kind",
    "by",
    "by_address",
    "state",
    "effect",
    "received",
    "undone_at",
    "undone_by",
    "study_instance_uid",
    "patient_id",
    "patient_name",
    "accession_number",
    "study_date",
    "instances",
    "confirmed_by",
)


def withdrawals_as_csv(catalog: Catalog, wanted: WithdrawalFilter) -> Iterator[bytes]:
    """Yield a line for each withdrawal and study, with the patient, after a line with the names of the columns."""
    yield csv_line(_HEAD)
    before: int | None = None
    while True:
        with catalog.read() as connection:
            found = withdrawals(connection, wanted, before=before, limit=_PAGE)
            shares = shares_of(connection, [each.id for each in found])
        for each in found:
            for share in shares[each.id] or (None,):
                yield csv_line(_cells(each, share))
        if len(found) < _PAGE:
            return
        before = found[-1].id


def _cells(each: ListedWithdrawal, share: StudyShare | None) -> Sequence[object]:
    by, undone_by = each.by, each.undone_by
    return (
        each.id,
        each.made_at,
        each.act,
        each.reason.scheme,
        each.reason.value,
        each.reason.meaning,
        each.text,
        by.kind if by else "",
        by.name if by else "",
        by.address if by else "",
        each.state,
        each.effect,
        "yes" if each.received else "no",
        each.undone_at or "",
        undone_by.name if undone_by else "",
        *(
            (
                share.study_instance_uid,
                share.patient_id,
                share.patient_name,
                share.accession_number,
                share.study_date,
                share.instances,
            )
            if share
            # None of its instances has arrived.
            else ("", "", "", "", "", each.instances)
        ),
        each.confirmed_by.name if each.confirmed_by else "",
    )
