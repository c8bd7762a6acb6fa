"""The syntax of `kinote withdraw` and `kinote withdrawals`; `command.lifecycle.withdrawals` has the actions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

withdrawals = Commands(name="withdrawals", no_args_is_help=True, help="What was withdrawn, by whom and why.")

WithdrawalArgument = Annotated[int, typer.Argument(help="The number of a withdrawal.")]
ActArgument = Annotated[
    Literal["wrong patient", "wrong order", "quality", "safety", "retention expired"],
    typer.Argument(help="Why, as one of the acts of withdrawal."),
]


def withdraw(
    act: ActArgument,
    studies: Annotated[
        list[str] | None, typer.Option("--study", help="A Study Instance UID; may be repeated.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="A Series Instance UID; may be repeated.")
    ] = None,
    instances: Annotated[
        list[str] | None,
        typer.Option("--instance", help="A SOP Instance UID, arrived or not; may be repeated."),
    ] = None,
    text: Annotated[str, typer.Option("--text", help="Why, in your words.")] = "",
    reason: Annotated[
        str | None, typer.Option("--reason", help="A code of CID 7031 in place of that of the act.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Say what would be withdrawn, and change nothing.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take instances, series or studies out of use. Others are told when the undo window has closed."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        asked = {
            "act": act,
            "text": text,
            "studies": studies or [],
            "series": series or [],
            "instances": instances or [],
            **({"reason": {"value": reason}} if reason else {}),
        }
        acting.withdraw(begun, asked, preview=preview, as_json=as_json)


@withdrawals.command("list")
def list_withdrawals(
    since: Annotated[str, typer.Option("--since", help="Made from this moment on (ISO 8601).")] = "",
    until: Annotated[str, typer.Option("--until", help="Made before this moment.")] = "",
    act: Annotated[str, typer.Option("--act", help="Only those of this act.")] = "",
    who: Annotated[str, typer.Option("--who", help="Part of the name of who withdrew.")] = "",
    text: Annotated[str, typer.Option("--text", help="Part of the reason in words.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with the patients.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List withdrawals, the latest first."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        wanted = {"since": since, "until": until, "act": act, "who": who, "text": text}
        acting.list_withdrawals(begun, wanted, as_csv=as_csv, as_json=as_json)


@withdrawals.command("show")
def show_withdrawal(
    withdrawal: WithdrawalArgument, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show a withdrawal: what it names, and who has been told."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.show(begun, withdrawal, as_json=as_json)


@withdrawals.command("undo")
def undo_withdrawal(
    withdrawal: WithdrawalArgument, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Undo a withdrawal."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.undo(begun, withdrawal, as_json=as_json)


@withdrawals.command("issue-again")
def issue_again(
    withdrawal: WithdrawalArgument,
    text: Annotated[str, typer.Option("--text", help="Why, in your words; it must be given.")],
    also: Annotated[
        list[int] | None,
        typer.Option(
            "--also", help="A further withdrawal for good that hides the same, as wrongly; repeatable."
        ),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue again under new UIDs what a withdrawal that cannot be undone has taken out of use."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.issue_again(begun, withdrawal, text, also or [], as_json=as_json)


RequestArgument = Annotated[int, typer.Argument(help="The number of a withdrawal that was asked for.")]


@withdrawals.command("waiting")
def list_waiting(
    everything: Annotated[
        bool, typer.Option("--all", help="All that were asked for, not only those that wait.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List withdrawals that wait for a second person, the latest first."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.list_waiting(begun, everything=everything, as_json=as_json)


@withdrawals.command("confirm")
def confirm_withdrawal(
    request: RequestArgument,
    login: Annotated[str, typer.Option("--login", help="The login of the person who confirms it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.")] = "",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input, as its first line."),
    ] = False,
    data: DataOption = None,
) -> None:
    """Confirm a withdrawal as a second person, whose password is asked for."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.confirm(begun, request, reason, login=login, from_stdin=password_stdin)


@withdrawals.command("refuse")
def refuse_withdrawal(
    request: RequestArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, in words.")] = "",
    data: DataOption = None,
) -> None:
    """End a withdrawal that waits for a second person; nothing is withdrawn."""
    with begin(data=data) as begun:
        from kinote.command.lifecycle import withdrawals as acting

        acting.refuse(begun, request, reason)
