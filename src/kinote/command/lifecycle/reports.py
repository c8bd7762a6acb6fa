"""The commands about the state of objects: `explain` and `account`."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from rich.markup import escape

from kinote.command.output import fail, out
from kinote.command.store.begun import Begun


def missing(begun: Begun, asked: dict[str, str]) -> None:
    """Print why something is missing, each cause with what to do."""
    if not any(asked[name] for name in ("instance", "accession", "patient", "study", "sender")):
        fail("Say what is missing: a UID, --accession, --patient, --study or --sender.")
    given = urlencode({name: value for name, value in asked.items() if value})
    with begun.store("look") as store:
        found = store.get(f"/api/v1/explain?{given}")
    for cause in found["items"]:
        out.print(f"{cause['code']}: {cause['sentence']}", highlight=False, markup=False)
        out.print(f"  {cause['remedy']}", highlight=False, markup=False)
        for uid in cause["uids"]:
            out.print(f"    {uid}", highlight=False, markup=False)


def explain(begun: Begun, uid: str) -> None:
    """Print why an instance is visible or not."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/instances/{quote(uid, safe='')}/explain")
    if found is None:
        # It may have been offered and refused.
        missing(begun, dict.fromkeys(("accession", "patient", "study", "sender"), "") | {"instance": uid})
        fail(f"Kinote has never had an instance {uid}.")
    for copy in found["items"]:
        out.print(
            f"[bold]{escape(uid)}[/bold] in study {escape(copy['study_instance_uid'])}", highlight=False
        )
        for sentence in copy["sentences"]:
            out.print(f"  {sentence}", highlight=False, markup=False)
        for finding in copy["findings"]:
            out.print(f"  {finding['code']}: {finding['text']}", highlight=False, markup=False)


def account(begun: Begun, study_uid: str) -> None:
    """Print the content of a study, as JSON."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/studies/{quote(study_uid, safe='')}/account")
    if found is None:
        fail(f"Kinote has never had a study {study_uid}.")
    print(json.dumps(found, indent=1))
