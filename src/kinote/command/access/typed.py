"""The syntax of `kinote users`, `tokens` and `audit`; `users` and `trail` have the actions."""

from __future__ import annotations

from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

users = Commands(name="users", no_args_is_help=True, help="Who may sign in.")
tokens = Commands(name="tokens", no_args_is_help=True, help="API tokens, by which programs sign in.")

LoginArgument = Annotated[str, typer.Argument(help="The login of a user.")]
RolesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="reader, author, administrator, privacy officer or system; may be repeated.",
    ),
]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, as its first line.")
]


@users.command("add")
def add_user(
    login: LoginArgument,
    roles: RolesOption = None,
    name: Annotated[str, typer.Option("--name", help="The name, as Family^Given; authors have it.")] = "",
    password_stdin: StdinOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The user signs in by API tokens only.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user, and ask for a password. For the first user, the data directory is created if necessary."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.add(
            begun,
            login,
            name=name,
            roles=roles or [],
            from_stdin=password_stdin,
            without=no_password,
            as_json=as_json,
        )


@users.command("list")
def list_users(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List all users, with their roles."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.list_users(begun, as_json=as_json)


@users.command("disable")
def disable_user(login: LoginArgument, data: DataOption = None) -> None:
    """Disable a user: no more sign-in. Sessions and API tokens end at once."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.change(begun, login, enabled=False)


@users.command("enable")
def enable_user(login: LoginArgument, data: DataOption = None) -> None:
    """Enable a disabled user."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.change(begun, login, enabled=True)


@users.command("password")
def set_password(login: LoginArgument, password_stdin: StdinOption = False, data: DataOption = None) -> None:
    """Set another password, after asking for it. All sessions of the user end."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.set_password(begun, login, from_stdin=password_stdin)


@users.command("roles")
def set_roles(login: LoginArgument, roles: RolesOption = None, data: DataOption = None) -> None:
    """Give a user these roles, and no others. This takes effect at once."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.change(begun, login, roles=roles or [])


@tokens.command("add")
def add_token(
    login: LoginArgument,
    name: Annotated[str, typer.Option("--name", help="What the token is for.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", help="A right that the token has; may be repeated.")
    ],
    days: Annotated[float, typer.Option("--days", min=0.01, max=366, help="For how long it is valid.")] = 90,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API token of a user. It is printed once, and cannot be shown again."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.add_token(begun, login, name=name, scopes=scopes, days=days, as_json=as_json)


@tokens.command("list")
def list_tokens(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List API tokens, the latest first."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.list_tokens(begun, as_json=as_json)


@tokens.command("revoke")
def revoke_token(
    token: Annotated[int, typer.Argument(help="The number of a token.")], data: DataOption = None
) -> None:
    """Revoke an API token."""
    with begin(data=data) as begun:
        from kinote.command.access import users as user_commands

        user_commands.revoke_token(begun, token)


def audit(
    patient: Annotated[str, typer.Option("--patient", help="A Patient ID: who saw or changed it.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="A login, AE title or program.")] = "",
    since: Annotated[str, typer.Option("--since", help="Not before this moment (ISO 8601).")] = "",
    until: Annotated[str, typer.Option("--until", help="Before this moment (ISO 8601).")] = "",
    event: Annotated[str, typer.Option("--event", help="What an entry is about, e.g. withdrawn.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="How many entries are printed at most.")
    ] = 1000,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the audit trail, the latest entry first."""
    with begin(data=data) as begun:
        from kinote.command.access import trail

        asked = {"patient": patient, "actor": actor, "since": since, "until": until, "event": event}
        trail.search(begun, asked, limit=limit, as_json=as_json)
