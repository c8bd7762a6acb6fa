"""The commands about users and API tokens."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any
from urllib.parse import quote

from kinote.command.output import USAGE, fail, out
from kinote.command.store.begun import Begun
from kinote.command.store.client import Client


def add(
    begun: Begun,
    login: str,
    *,
    name: str,
    roles: list[str],
    from_stdin: bool,
    without: bool,
    as_json: bool,
) -> None:
    """Add a user, and read the password here."""
    password = None if without else _password(from_stdin=from_stdin)
    with begun.store("work", makes_new=True) as store:
        user = store.post(
            "/api/v1/users", {"login": login, "name": name, "roles": roles, "password": password}
        )
    if as_json:
        print(json.dumps(user, ensure_ascii=False, indent=1))
    else:
        _say(f"The user {user['login']} was added: {_roles(user)}.")


def list_users(begun: Begun, *, as_json: bool) -> None:
    """Print all users."""
    with begun.store("look") as store:
        items = store.get("/api/v1/users")["items"]
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for user in items:
        notes = [_roles(user)]
        notes += [] if user["enabled"] else ["disabled"]
        notes += [] if user["has_password"] else ["no password"]
        name = f" ({user['name']})" if user["name"] else ""
        _say(f"{user['login']}{name}: {'; '.join(notes)}")
    if not items:
        _say("There are no users. Add one with `kinote users add LOGIN --role administrator`.")


def change(begun: Begun, login: str, **changed: Any) -> None:
    """Change the given fields of a user."""
    with begun.store("work") as store:
        user = _user(store, login)
        body = {"name": user["name"], "roles": user["roles"], "enabled": user["enabled"], **changed}
        user = store.put(f"/api/v1/users/{user['id']}", body)
    _say(f"The user {user['login']} {'may' if user['enabled'] else 'may not'} sign in: {_roles(user)}.")


def set_password(begun: Begun, login: str, *, from_stdin: bool) -> None:
    """Set another password, which is read here."""
    with begun.store("work") as store:
        user = _user(store, login)
        store.put(f"/api/v1/users/{user['id']}/password", {"password": _password(from_stdin=from_stdin)})
    _say(f"The user {user['login']} has another password. All sessions have ended.")


def add_token(begun: Begun, login: str, *, name: str, scopes: list[str], days: float, as_json: bool) -> None:
    """Make a token, and print it once."""
    body = {"user": login, "name": name, "scopes": scopes, "days": days}
    with begun.store("work") as store:
        made = store.post("/api/v1/tokens", body)
    if as_json:
        print(json.dumps(made, ensure_ascii=False, indent=1))
        return
    print(made["token"])
    _tell(f"Token {made['id']} of {made['user']} until {made['expires_at']}. It is not shown again.")


def list_tokens(begun: Begun, *, as_json: bool) -> None:
    """Print tokens, without their secrets."""
    items: list[dict[str, Any]] = []
    with begun.store("look") as store:
        cursor = ""
        while True:
            page = store.get(f"/api/v1/tokens?limit=500&cursor={quote(cursor)}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        print(json.dumps({"items": items}, ensure_ascii=False, indent=1))
        return
    for each in items:
        ends = f"revoked {each['revoked_at']}" if each["revoked_at"] else f"until {each['expires_at']}"
        _say(f"{each['id']} {each['user']}, {each['name']}: {', '.join(each['scopes'])}; {ends}")
    if not items:
        _say("There are no API tokens.")


def revoke_token(begun: Begun, token: int) -> None:
    """Revoke a token."""
    with begun.store("work") as store:
        store.act("DELETE", f"/api/v1/tokens/{token}")
    _say(f"The token {token} is revoked.")


def _user(store: Client, login: str) -> dict[str, Any]:
    wanted = login.strip().lower()
    found = next((each for each in store.get("/api/v1/users")["items"] if each["login"] == wanted), None)
    if found is None:
        fail(f"There is no user {wanted}. `kinote users list` says who there is.")
    user: dict[str, Any] = found
    return user


def _password(*, from_stdin: bool) -> str:
    """Read a password; never from an argument, which others on the machine could see."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        fail(
            "There is no terminal to ask for a password. Give it by standard input: --password-stdin.", USAGE
        )
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        fail("The two were not the same. Nothing was changed.")
    return password


def _roles(user: dict[str, Any]) -> str:
    return ", ".join(user["roles"]) or "no role"


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)


def _tell(line: str) -> None:
    """Print on standard error what is not part of the output."""
    print(line, file=sys.stderr)
