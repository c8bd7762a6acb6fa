"""The commands that say what Kinote knows: `explain` and `account`."""

from __future__ import annotations

import json
from urllib.parse import quote

from rich.markup import escape

from kinote.command.begun import Begun
from kinote.command.output import fail, out


def explain(begun: Begun, uid: str) -> None:
    """Print why an instance is or is not to be seen."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/instances/{quote(uid, safe='')}/explain")
    if found is None:
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
    """Print what a study holds, as JSON."""
    with begun.store("look") as store:
        found = store.get(f"/api/v1/studies/{quote(study_uid, safe='')}/account")
    if found is None:
        fail(f"Kinote has never had a study {study_uid}.")
    print(json.dumps(found, indent=1))
