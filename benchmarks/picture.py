"""Draw the figures of `benchmarks.dicom_intake` as bars, in an SVG file that needs nothing else.

python -m benchmarks.picture intake.json docs/images/intake.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

#: Who is drawn, in this order, unless said otherwise, and how they are called in the picture.
LABELS = {
    "kinote": "Kinote",
    "floor": "floor: write and commit",
    "floor-direct": "floor, O_DIRECT",
    "floor-pack": "floor, pack",
    "orthanc-synced": "Orthanc, synced",
    "orthanc-tuned": "Orthanc, tuned",
    "orthanc": "Orthanc, defaults",
    "dcmqrscp-tuned": "dcmqrscp, tuned",
    "pynetdicom": "pynetdicom storescp",
}
_OURS, _FLOOR = "kinote", "floor"

#: What only bounds the network is told in words: as a bar it would leave no room for the others.
_NETWORK = "storescp-tuned"

_MEANINGS = (
    "In brackets: microseconds of processor for each object. Synced: Orthanc syncs files and takes digests, and "
    "TCP_NODELAY=1 is set. Tuned: TCP_NODELAY=1, no syncs, no digests. The floor writes, digests, syncs and commits "
    "the same objects and does nothing else. dcmqrscp and pynetdicom's storescp do not sync."
)

#: Letters of the small text that fit in a line.
_LINE = 110

_WIDTH, _NAMES, _FIGURES, _ROW, _MARGIN = 720, 160, 130, 22, 16
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 }
.note { font-size: 11px; fill: #57606a }
.ours { fill: #0b6bcb } .theirs { fill: #afb8c1 } .floor { fill: #8ec5a4 }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .paper { fill: #0d1117 }
  .ours { fill: #58a6ff } .theirs { fill: #484f58 } .floor { fill: #2e6b48 }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A receiver's median: objects a second, and microseconds of its processor for each, where they are known."""

    name: str
    rate: float
    microseconds: float | None

    @property
    def kind(self) -> str:
        if self.name == _OURS:
            return "ours"
        return "floor" if self.name.startswith(_FLOOR) else "theirs"

    @property
    def figures(self) -> str:
        busy = "" if self.microseconds is None else f" ({self.microseconds:,.0f} µs)"
        return f"{self.rate:,.0f}{busy}"


def drawn(found: dict[str, Any], receivers: Sequence[str], associations: int) -> str:
    """The picture of a run: for each kind of object the receivers' medians over so many associations."""
    kinds: dict[str, dict[str, Bar]] = {}
    for each in found["results"]:
        if each["associations"] == associations and each["receiver"] in (*receivers, _NETWORK):
            bar = Bar(each["receiver"], each["rate"], each.get("microseconds"))
            kinds.setdefault(each["kind"], {})[bar.name] = bar
    if not any(name in bars for bars in kinds.values() for name in receivers):
        raise ValueError(
            f"The run has no figures over {associations} association(s) of {', '.join(receivers)}"
        )
    pieces: list[str] = []
    top = _MARGIN
    for kind, bars in kinds.items():
        ordered = [bars[name] for name in receivers if name in bars]
        title = f"{kind}: objects a second, {associations} association(s)"
        pieces.append(_text(_MARGIN, top + 14, title, "head"))
        pieces += _bars(ordered, top + 26)
        top += 26 + _ROW * len(ordered)
        if _NETWORK in bars and _NETWORK not in receivers:
            limit = f"storescp, tuned, which neither indexes nor syncs: {bars[_NETWORK].figures}"
            pieces.append(_text(_MARGIN, top + 10, limit, "note"))
            top += 16
        top += 14
    taken = found["taken_with"]
    lines = [_MEANINGS, taken["versions"], taken["machine"], taken.get("quiet", "")]
    for line in (each for text in lines for each in wrap(text, _LINE)):
        pieces.append(_text(_MARGIN, top + 8, line, "note"))
        top += 16
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<title>Intake by C-STORE, objects a second</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n' + "\n".join(pieces) + "\n</svg>\n"
    )


def _bars(bars: Sequence[Bar], top: int) -> Iterator[str]:
    room = _WIDTH - _NAMES - _FIGURES - 2 * _MARGIN
    most = max((bar.rate for bar in bars), default=1)
    for at, bar in enumerate(bars):
        y = top + at * _ROW
        length = max(round(room * bar.rate / most, 1), 1)
        left = _MARGIN + _NAMES
        yield _text(_MARGIN, y + 13, LABELS.get(bar.name, bar.name))
        yield f'<rect class="{bar.kind}" x="{left}" y="{y}" width="{length}" height="{_ROW - 6}" rx="2"/>'
        yield _text(left + length + 6, y + 13, bar.figures)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(text)}</text>'


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="what benchmarks.dicom_intake has written")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    parser.add_argument("--receivers", nargs="+", default=tuple(LABELS), metavar="NAME")
    parser.add_argument("--associations", type=int, default=4, help="[default: 4]")
    options = parser.parse_args(arguments)
    found = json.loads(options.figures.read_text(encoding="utf-8"))
    picture = drawn(found, options.receivers, options.associations)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(picture, encoding="utf-8")
    print(f"{options.picture} is drawn")


if __name__ == "__main__":
    main()
