"""The commands that withdraw: `withdraw`, and `withdrawals list`, `show` and `undo`."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun

#: The number of withdrawals on a page.
_PAGE = 500

_BLOCK = 256 * 1024


def withdraw(begun: Begun, asked: Mapping[str, Any], *, preview: bool, as_json: bool) -> None:
    """Withdraw, or print what would be withdrawn."""
    with begun.store("work") as store:
        made = store.post(f"/api/v1/withdrawals{'?preview=true' if preview else ''}", dict(asked))
    if as_json:
        _print_json(made)
        return
    if "waiting" in made:
        _say(f"Nothing is withdrawn yet. {_waiting_line(made['waiting'])}")
        _say_studies(made["studies"])
        _say("Another person confirms it under Withdrawals, or with `kinote withdrawals confirm`.")
        return
    would = "would be withdrawn" if preview else "withdrawn"
    more = [
        f"{made[name]} {word}"
        for name, word in (("already_withdrawn", "withdrawn before"), ("not_here", "not arrived"))
        if made[name]
    ]
    _say(
        f"{made['withdrawn']} of {made['instances']} instances {would}{''.join(f', {each}' for each in more)}."
    )
    _say_studies(made["studies"])
    if preview and made["second_person"]:
        _say("Another person has to confirm it.")
    if not preview:
        _say(_how_it_stands(made))


def list_withdrawals(begun: Begun, wanted: Mapping[str, str], *, as_csv: bool, as_json: bool) -> None:
    """Print withdrawals, the latest first."""
    if as_csv:
        with begun.store("look") as store:
            file = store.download(f"/api/v1/withdrawals?{urlencode({**wanted, 'csv': 'true'})}", "text/csv")
        assert file is not None
        with file:
            while block := file.read(_BLOCK):
                sys.stdout.buffer.write(block)
        sys.stdout.flush()
        return
    items: list[dict[str, Any]] = []
    cursor = ""
    with begun.store("look") as store:
        while True:
            asked = urlencode({**wanted, "limit": _PAGE, "cursor": cursor})
            page = store.get(f"/api/v1/withdrawals?{asked}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        _print_json(items)
        return
    if not items:
        _say("There are no such withdrawals.")
    for each in items:
        _say(_line(each))


def show(begun: Begun, key: int, *, as_json: bool) -> None:
    """Print a withdrawal, with what it names and who has been told."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/withdrawals/{key}")
    if found is None:
        fail(f"There is no withdrawal {key}.")
    if as_json:
        _print_json(found)
        return
    _say(_line(found))
    _say_studies(found["studies"])
    _say(_how_it_stands(found))
    if found["purged_sentence"]:
        _say(found["purged_sentence"])
    for each in found["rejection_notes"]:
        _say(f"  rejection note {each['sop_instance_uid']} in study {each['study_instance_uid']}")
    for each in found["owed"]:
        to = each["peer"] or each["address"]
        _say(f"  {to}: {each['objects']} x {each['what']}, {each['state']} {each['answer']}".rstrip())


def undo(begun: Begun, key: int, *, as_json: bool) -> None:
    """Undo a withdrawal."""
    with begun.store("work") as store:
        found = store.act("DELETE", f"/api/v1/withdrawals/{key}")
    if as_json:
        _print_json(found)
        return
    _say(f"Withdrawal {key} is undone.")
    if found["purged_sentence"]:
        _say(found["purged_sentence"])


def issue_again(begun: Begun, key: int, text: str, also: list[int], *, as_json: bool) -> None:
    """Issue again under new UIDs what a withdrawal, and the others in `also`, have taken out of use."""
    with begun.store("work") as store:
        found = store.act("POST", f"/api/v1/withdrawals/{key}/issue-again", {"text": text, "also": also})
    if as_json:
        _print_json(found)
        return
    _say(f"{found['issued']} objects are issued under new UIDs; {found['left']} are not.")
    for each in found["new_uids"]:
        _say(f"  {each['sop_instance_uid']} is now {each['new_sop_instance_uid']}")


def list_waiting(begun: Begun, *, everything: bool, as_json: bool) -> None:
    """Print withdrawals that wait for a second person, or all that were asked for; the latest first."""
    items: list[dict[str, Any]] = []
    state, cursor = "all" if everything else "waiting", ""
    with begun.store("look") as store:
        while True:
            asked = urlencode({"state": state, "limit": _PAGE, "cursor": cursor})
            page = store.get(f"/api/v1/withdrawal-requests?{asked}")
            items += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                break
    if as_json:
        _print_json(items)
        return
    if not items:
        _say("No withdrawal waits for a second person." if not everything else "None was asked for.")
    for each in items:
        _say(_waiting_line(each))


def confirm(begun: Begun, key: int, reason: str, *, login: str, from_stdin: bool) -> None:
    """Confirm a withdrawal as the person who signs in here."""
    with begun.store("work") as store:
        found = store.get(f"/api/v1/withdrawal-requests/{key}")
        if found is None:
            fail(f"No withdrawal with the number {key} was asked for.")
        _say(_waiting_line(found))
        if found["means"] is not None:
            _say_studies(found["means"]["studies"])
        password = sys.stdin.readline().rstrip("\r\n") if from_stdin else getpass.getpass("Password: ")
        store.sign_in(login, password)
        try:
            made = store.post(f"/api/v1/withdrawal-requests/{key}", {"decision": "confirm", "reason": reason})
        finally:
            store.sign_out()
    _say(f"It is withdrawn, as withdrawal {made['withdrawal']}.")


def refuse(begun: Begun, key: int, reason: str) -> None:
    """End a withdrawal that waits; nothing is withdrawn."""
    with begun.store("work") as store:
        made = store.post(f"/api/v1/withdrawal-requests/{key}", {"decision": "refuse", "reason": reason})
    _say(_waiting_line(made))


def _waiting_line(each: Mapping[str, Any]) -> str:
    by = each["asked_by"]
    who = f" by {by['name'] or by['kind']}" if by else ""
    until = f", until {each['expires_at']}" if each["state"] == "waiting" else ""
    became = f", withdrawal {each['withdrawal']}" if each["withdrawal"] is not None else ""
    return (
        f"{each['id']} {each['asked_at']} {each['act']}, {each['instances']} instances{who}: {each['text']} "
        f"({each['state']}{until}{became})"
    )


def _line(each: Mapping[str, Any]) -> str:
    by = each["by"]
    who = f" by {by['name'] or by['kind']}" if by else ""
    who += f", confirmed by {each['confirmed_by']['name']}" if each["confirmed_by"] else ""
    said = f": {each['text']}" if each["text"] else ""
    only_marked = ", only marked" if each["effect"] == "marked" else ""
    came = ", received" if each["received"] else ""
    return (
        f"{each['id']} {each['made_at']} {each['act']}, {each['instances']} instances{who}{said} "
        f"({each['reason']['meaning']}; {each['state']}{only_marked}{came})"
    )


def _how_it_stands(each: Mapping[str, Any]) -> str:
    if each["state"] == "undone":
        return f"Undone at {each['undone_at']}."
    if each["state"] == "open":
        return f"Withdrawal {each['id']} can be undone unseen until {each['closes_at']}."
    return f"Withdrawal {each['id']}: {each['why_not_undoable'] or 'it can still be undone.'}"


def _say_studies(studies: list[dict[str, Any]]) -> None:
    for each in studies:
        _say(
            f"  {each['instances']} in {each['series']} series of study {each['study_instance_uid']}: "
            f"{each['patient_name']} ({each['patient_id']}), {each['study_date']}"
        )


def _print_json(found: object) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=1))


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False)
