"""The picture is drawn from what `benchmarks.dicom_intake` writes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.picture import drawn, main

#: By receiver, objects a second and microseconds of processor for each.
RATES = {
    "storescp-tuned": (13_456, 113),
    "orthanc": (82, 1100),
    "orthanc-synced": (1327, 1130),
    "orthanc-tuned": (1606, 947),
    "floor": (3017, 400),
    "floor-pack": (5898, 200),
    "kinote": (1006, 1023),
}


def _run() -> dict[str, object]:
    case = {"kind": "CT 20 KB", "objects": 1000, "associations": 4, "refused": 0}
    return {
        "taken_with": {"versions": "A & B", "machine": "2 cores", "quiet": "quiet"},
        "results": [
            {
                **case,
                "receiver": name,
                "rate": float(rate),
                "rounds": [float(rate)],
                "microseconds": float(busy),
            }
            for name, (rate, busy) in RATES.items()
        ],
    }


def test_a_run_is_drawn_with_the_floor_and_orthanc_in_three_settings(tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text(json.dumps(_run()), encoding="utf-8")
    main([str(tmp_path / "figures.json"), str(tmp_path / "images" / "figures.svg")])
    picture = ElementTree.parse(tmp_path / "images" / "figures.svg")
    bars = [bar for bar in picture.findall(".//{*}rect") if bar.get("rx")]
    assert [bar.get("class") for bar in bars] == ["ours", "floor", "floor", "theirs", "theirs", "theirs"]
    lengths = [float(bar.get("width", "")) for bar in bars]
    assert lengths[2] == max(lengths)
    assert lengths[0] / lengths[2] == pytest.approx(1006 / 5898, abs=0.01)
    # Nothing is written beyond the right edge, the longest bar's figures included.
    edge = float(picture.getroot().get("width", ""))
    assert float(bars[2].get("x", "")) + lengths[2] + 130 <= edge
    texts = [text.text or "" for text in picture.findall(".//{*}text")]
    assert {"Orthanc, defaults", "Orthanc, synced", "Orthanc, tuned", "1,006 (1,023 µs)"} <= {*texts}
    assert any(text.startswith("storescp") and "13,456 (113 µs)" in text for text in texts)


def test_a_run_without_such_figures_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="no figures over 1 association"):
        drawn(_run(), ["kinote"], 1)
