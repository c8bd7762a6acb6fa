"""schemathesis asks the server whatever its own description allows: it finds no failure and no undescribed answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.interop.peers import peer
from tests.scale import SCALE
from tests.web.objects import STUDY, as_file, image, multipart

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.mark.soak
def test_no_request_fails_the_server_and_each_answer_is_described(
    client: httpx.Client, tmp_path: Path
) -> None:
    body, headers = multipart([as_file(image(1)), as_file(image(2))])
    client.post("/dicomweb/studies", content=body, headers=headers)
    note = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": "1.2.3.4.1"}],
    }
    assert client.post(f"/api/v1/studies/{STUDY}/notes", json=note).status_code == 201
    address = str(client.base_url).rstrip("/")
    done = subprocess.run(
        [
            *(peer("schemathesis"), "run", f"{address}/api/v1/openapi.json", "--url", address, "--no-color"),
            *("--checks", ",".join(CHECKS), "--max-time", str(SCALE.described_seconds), "--seed", "7"),
            # Its Content-Type is DICOM, of which it makes none.
            *("--exclude-path", "/api/v1/objects"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
