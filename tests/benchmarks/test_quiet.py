"""A busy machine is noticed before a measurement, and said beside the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.quiet import LIMIT, REFUSED, Quiet, load_percent, read_pressure

_TEXT = """some avg10={percent:.2f} avg60=1.00 avg300=0.50 total=5517289
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""


def _pressure(folder: Path, percent: float) -> Path:
    path = folder / "cpu"
    path.write_text(_TEXT.format(percent=percent))
    return path


def test_pressure_is_read_as_the_kernel_writes_it() -> None:
    assert read_pressure(_TEXT.format(percent=8.16)) == (8.16, 5517289)


def test_a_busy_machine_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Quiet(pressure=_pressure(tmp_path, 43), patience=0)
    with pytest.raises(SystemExit) as refused:
        quiet.wait()
    assert refused.value.code == REFUSED
    said = capsys.readouterr().err
    assert "43 %" in said
    assert "--busy" in said


@pytest.mark.parametrize("percent", [0, LIMIT])
def test_a_quiet_machine_is_measured_on(tmp_path: Path, percent: float) -> None:
    quiet = Quiet(pressure=_pressure(tmp_path, percent), patience=0)
    quiet.wait()
    assert quiet.describe() == f"quiet: other work waited at most {percent:.0f} % of the time"


def test_what_is_measured_on_a_busy_machine_says_so(tmp_path: Path) -> None:
    quiet = Quiet(allows_busy=True, pressure=_pressure(tmp_path, 43), patience=0)
    quiet.wait()
    _pressure(tmp_path, 1)
    quiet.wait()
    assert quiet.describe().startswith("BUSY before 1 of 2 measurements: other work waited up to 43 %")


def test_our_own_last_measurement_is_not_taken_for_other_work(tmp_path: Path) -> None:
    quiet = Quiet(pressure=_pressure(tmp_path, 0), patience=0)
    quiet.wait()
    # The average still has our own work in it; from now on nobody waits any more.
    _pressure(tmp_path, 80)
    quiet.wait()
    assert quiet.seen == [0, 0]


def test_where_the_kernel_does_not_tell_the_load_average_has_to_do(tmp_path: Path) -> None:
    assert load_percent(0.5, 2) == 25
    quiet = Quiet(allows_busy=True, pressure=tmp_path / "missing")
    quiet.wait()
    quiet.wait()
    assert len(quiet.seen) == 2
    assert quiet.seen[1] == 0
