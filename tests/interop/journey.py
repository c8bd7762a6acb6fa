"""Studies with their notes travel from one Kinote into another and into Orthanc; prints what arrived, as JSON.

Runs as a program in a network namespace of its own, since Orthanc listens on all addresses:
`unshare --net -- python -m tests.interop.journey FOLDER`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import httpx

from kinote.demo import identity
from kinote.dicom.dictionary import tags
from tests.interop.orthanc import orthanc
from tests.interop.peers import peer
from tests.running_server import RunningServer
from tests.walked import digest_of_data_set, walked

STUDIES = (identity.CHEST_CT, identity.EARLIER_CHEST_CT, identity.LIVER_US)
AUTHOR = {"kind": "person", "name": "Yamada^Tarou", "login": "yamada"}

#: By UID, the digest of the data set as it is stored.
Digests = dict[str, str]


def journey(folder: Path) -> dict[str, Any]:
    subprocess.run([peer("ip"), "link", "set", "lo", "up"], check=True)
    origin = RunningServer(folder / "origin")
    second = RunningServer(folder / "second")
    try:
        with (
            orthanc(folder / "orthanc") as other,
            httpx.Client(base_url=origin.url, timeout=120) as here,
            httpx.Client(base_url=second.url, timeout=120) as there,
            httpx.Client(base_url=other.url, timeout=120) as foreign,
        ):
            make_notes(here)
            sent: Digests = {}
            for study in STUDIES:
                files = retrieve(here, f"/dicomweb/studies/{study.uid}")
                sent |= digests(files)
                store(there, "/dicomweb/studies", files)
                store(foreign, "/dicom-web/studies", files)
            return {
                "notes here": {study.uid: notes(here, study.uid) for study in STUDIES},
                "notes there": {study.uid: notes(there, study.uid) for study in STUDIES},
                "sent": sent,
                "there": stored(there, "/dicomweb"),
                "orthanc": digests(
                    foreign.get(f"/instances/{key}/file").content for key in foreign.get("/instances").json()
                ),
            }
    finally:
        second.stop()
        origin.stop()


def make_notes(here: httpx.Client) -> None:
    """On a CT with its presentation state and its prior in another study, and on frames of a multi-frame image."""
    marked = identity.CHEST_CT.instance_uid(2, identity.NODULE_SLICE)
    state = identity.CHEST_CT.instance_uid(identity.MARKS_SERIES, 1)
    earlier = here.get(f"/api/v1/studies/{identity.EARLIER_CHEST_CT.uid}").json()
    prior = next(item for item in earlier["series"] if item["modality"] == "CT")["instances"][3]
    liver = here.get(f"/api/v1/studies/{identity.LIVER_US.uid}").json()
    loop = next(item for item in liver["series"] if item["modality"] == "US")["instances"][0]
    for study, references in (
        (
            identity.CHEST_CT,
            [
                {"sop_instance_uid": marked, "presentation_state_uid": state},
                {"sop_instance_uid": prior["sop_instance_uid"]},
            ],
        ),
        (identity.LIVER_US, [{"sop_instance_uid": loop["sop_instance_uid"], "frames": [3, 7]}]),
    ):
        answer = here.post(
            f"/api/v1/studies/{study.uid}/notes",
            json={
                "title": {"scheme": "DCM", "value": "113003"},
                "description": "右肺の結節、要手術",
                "language": "ja",
                "author": AUTHOR,
                "references": references,
            },
        )
        assert answer.status_code == 201, answer.text


def notes(client: httpx.Client, study: str) -> list[dict[str, Any]]:
    """What makes notes the same note (docs/terms.md, *note*), and the documents that carry them."""
    items = client.get(f"/api/v1/studies/{study}/notes").json()["items"]
    for item in items:
        for field in ("id", "version", "origin", "standing", "findings", "study_instance_uid"):
            del item[field]
        item["key_objects"] = sorted(one["sop_instance_uid"] for one in item["key_objects"])
        # The same moment may be written with another offset.
        item["created"] = item["created"][:19]
    return sorted(items, key=lambda item: str(item["key_objects"]))


def retrieve(client: httpx.Client, path: str) -> list[bytes]:
    answer = client.get(
        path, headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    )
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    found = []
    for part in BytesParser().parsebytes(head + answer.content).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            found.append(content)
    return found


def store(client: httpx.Client, path: str, files: list[bytes]) -> None:
    body = b"".join(b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files)
    answer = client.post(
        path,
        content=body + b"--cut--\r\n",
        headers={
            "Content-Type": 'multipart/related; type="application/dicom"; boundary=cut',
            "Accept": "application/dicom+json",
        },
    )
    assert answer.status_code == 200, answer.text


def stored(client: httpx.Client, service: str) -> Digests:
    found: Digests = {}
    for study in STUDIES:
        found |= digests(retrieve(client, f"{service}/studies/{study.uid}"))
    return found


def digests(files: Iterator[bytes] | list[bytes]) -> Digests:
    found = {}
    for data in files:
        scanned, _ = walked(data)
        found[scanned.dataset.text(tags.SOP_INSTANCE_UID) or ""] = digest_of_data_set(data)
    return found


if __name__ == "__main__":
    print(json.dumps(journey(Path(sys.argv[1]))))
