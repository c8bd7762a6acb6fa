"""The examples of docs/http.md run as they stand, one after another, against a server that has the demo."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from kinote.web.rooms import Rooms
from tests.project.pages import blocks
from tests.project.sources import ROOT

EXAMPLES = [block for block in blocks(ROOT / "docs" / "http.md") if "curl " in block]

#: `curl` as a shell function: it calls the server of the test, and says the status of each answer. An event stream does
#: not end by itself.
SHELL = """
set -e
curl() {
    local arguments=()
    for argument in "$@"; do arguments+=("${argument/http:\\/\\/localhost:8080/$SERVER}"); done
    command curl --silent --show-error --max-time 3 --write-out '%{stderr}status %{http_code}\\n' "${arguments[@]}" ||
        [ $? = 28 ]
}
"""


@pytest.fixture
def rooms(demo_rooms: Rooms) -> Rooms:
    return demo_rooms


def test_the_examples_run_as_they_stand(client: httpx.Client, tmp_path: Path) -> None:
    known = _known(client)
    (tmp_path / "image.dcm").write_bytes(
        client.get(
            "/dicomweb/studies/{study}/series/{series}/instances/{image}".format(**known),
            headers={"Accept": "application/dicom; transfer-syntax=*"},
        ).content
    )
    for example in EXAMPLES:
        # Each stands for itself: a note of version 1 is there whatever the ones before have done.
        known["note"] = _note(client, known)
        given = "".join(f"{name}={value}\n" for name, value in known.items())
        script = f"{SHELL}U=$SERVER\n{given}{example}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"SERVER": str(client.base_url).rstrip("/"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        statuses = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("status ")]
        assert done.returncode == 0, (example, done.stderr)
        assert statuses, example
        assert set(statuses) <= {"200", "201", "202", "204"}, (example, done.stdout, done.stderr)


def _known(client: httpx.Client) -> dict[str, str]:
    (image,) = client.get(
        "/dicomweb/instances", params={"PatientID": "DEMO-1001", "Modality": "CT", "limit": 1}
    ).json()
    tags = {"image": "00080018", "study": "0020000D", "series": "0020000E"}
    return {name: image[tag]["Value"][0] for name, tag in tags.items()}


def _note(client: httpx.Client, known: dict[str, str]) -> str:
    body = {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": "x",
        "references": [{"sop_instance_uid": known["image"]}],
    }
    answer = client.post(f"/api/v1/studies/{known['study']}/notes", json=body)
    return str(answer.json()["id"])
