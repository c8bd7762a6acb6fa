"""The syntax of `kinote jobs`; `command.operations.jobs` has the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

jobs = Commands(
    name="jobs", no_args_is_help=True, help="See what Kinote does in the background, and act on it."
)

JobArgument = Annotated[int, typer.Argument(help="The number of a job.")]
JobsArgument = Annotated[list[int], typer.Argument(help="The numbers of jobs.")]
QueueArgument = Annotated[str, typer.Argument(help="The kind of job whose queue it is.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for whoever looks later.")]


@jobs.command("list")
def list_jobs(
    state: Annotated[
        Literal["queued", "leased", "waiting", "retry", "suspended", "done", "dead", "cancelled"] | None,
        typer.Option("--state", help="Only jobs in this state."),
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="Only jobs of this kind.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the latest first, with the reason for their state."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.list_jobs(begun, state=state or "", kind=kind, as_json=as_json)


@jobs.command("show")
def show_job(
    job: JobArgument,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a job with its history, and the objects on which it failed."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.show(begun, job, as_json=as_json)


@jobs.command("retry")
def retry_jobs(jobs: JobsArgument, reason: ReasonOption = "asked for", data: DataOption = None) -> None:
    """Run jobs again that are dead, or whose next attempt is due later."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.act(begun, "retry", jobs, reason)


@jobs.command("cancel")
def cancel_jobs(jobs: JobsArgument, reason: ReasonOption = "asked for", data: DataOption = None) -> None:
    """Cancel jobs that are not done."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.act(begun, "cancel", jobs, reason)


@jobs.command("pause")
def pause_queue(
    kind: QueueArgument,
    reason: ReasonOption = "asked for",
    state: Annotated[
        Literal["accepting", "draining", "halted"],
        typer.Option("--state", help="What the queue does meanwhile."),
    ] = "accepting",
    data: DataOption = None,
) -> None:
    """Start no more jobs of a kind, until its queue is resumed."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.set_queue(begun, kind, state, reason)


@jobs.command("resume")
def resume_queue(kind: QueueArgument, reason: ReasonOption = "asked for", data: DataOption = None) -> None:
    """Resume the queue of a kind of job."""
    with begin(data=data) as begun:
        from kinote.command.operations import jobs as acting

        acting.set_queue(begun, kind, "running", reason)
