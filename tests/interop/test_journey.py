"""A note made here is the same note, in the same bytes, in a second Kinote and in Orthanc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinote.demo import identity
from tests.demo_data import copied
from tests.interop.peers import need_orthanc, peer

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_notes_and_studies_travel_unchanged(tmp_path: Path, demo_data: Path) -> None:
    need_orthanc()
    copied(demo_data, tmp_path / "origin")
    done = subprocess.run(
        [peer("unshare"), "--net", "--", sys.executable, "-m", "tests.interop.journey", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    arrived = json.loads(done.stdout)
    assert len(arrived["sent"]) > 80
    assert arrived["there"] == arrived["sent"]
    assert arrived["orthanc"] == arrived["sent"]
    assert arrived["notes there"] == arrived["notes here"]
    made = [
        note
        for note in arrived["notes here"][identity.CHEST_CT.uid]
        if note["description"] == "右肺の結節、要手術"
    ]
    assert [len(note["key_objects"]) for note in made] == [2]
