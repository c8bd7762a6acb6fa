"""What has to hold before a worker writes anything for a job: that it still has it, decided in that transaction."""

from __future__ import annotations

from kinote.catalog.sql.guards import Guard, is_not_before

#: Of a job, the claim of a worker, and the moment as it is stored.
HOLDS_ITS_LEASE = (
    # The fencing token: each claim has another one, unless the index was brought back from a copy.
    Guard("this attempt has it", lambda job, claimed, now: job.attempt == claimed.attempt),
    # Of a job that nobody has, this is NULL: a CHECK of the table sees to it.
    Guard("this worker has it", lambda job, claimed, now: job.worker == claimed.worker),
    Guard("its lease has not ended", lambda job, claimed, now: is_not_before(job.until_at, now)),
)
