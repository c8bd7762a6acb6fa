"""Draw the figures of `benchmarks.dicom_intake` as bars, in an SVG file that needs nothing else.

python -m benchmarks.picture intake.json docs/images/intake.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

#: Who is drawn, in this order, unless said otherwise; the names are those of the tables.
RECEIVERS = (
    "kinote",
    "orthanc",
    "orthanc-tuned",
    "storescp",
    "storescp-tuned",
    "dcmqrscp-tuned",
    "pynetdicom",
)
_OURS = "kinote"

#: Letters of the small text that fit in a line.
_LINE = 110

_WIDTH, _NAMES, _FIGURES, _ROW, _MARGIN = 720, 150, 70, 22, 16
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 }
.note { font-size: 11px; fill: #57606a }
.ours { fill: #0b6bcb } .theirs { fill: #afb8c1 }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .paper { fill: #0d1117 }
  .ours { fill: #58a6ff } .theirs { fill: #484f58 }
}
"""


def drawn(found: dict[str, Any], receivers: Sequence[str], associations: int) -> str:
    """The picture of a run: for each kind of object the receivers' medians over so many associations."""
    rates: dict[str, dict[str, float]] = {}
    for each in found["results"]:
        if each["associations"] == associations and each["receiver"] in receivers:
            rates.setdefault(each["kind"], {})[each["receiver"]] = each["rate"]
    if not rates:
        raise ValueError(
            f"The run has no figures over {associations} association(s) of {', '.join(receivers)}"
        )
    pieces: list[str] = []
    top = _MARGIN
    for kind, of_kind in rates.items():
        ordered = [(name, of_kind[name]) for name in receivers if name in of_kind]
        title = f"{kind}: objects a second, {associations} association(s)"
        pieces.append(_text(_MARGIN, top + 14, title, "head"))
        pieces += _bars(ordered, top + 26)
        top += 26 + _ROW * len(ordered) + 14
    taken = found["taken_with"]
    for line in (*wrap(taken["versions"], _LINE), taken["machine"]):
        pieces.append(_text(_MARGIN, top + 8, line, "note"))
        top += 16
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<title>Intake by C-STORE, objects a second</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n' + "\n".join(pieces) + "\n</svg>\n"
    )


def _bars(rates: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    room = _WIDTH - _NAMES - _FIGURES - 2 * _MARGIN
    most = max(rate for _, rate in rates)
    for at, (name, rate) in enumerate(rates):
        y = top + at * _ROW
        length = max(round(room * rate / most, 1), 1)
        kind = "ours" if name == _OURS else "theirs"
        left = _MARGIN + _NAMES
        yield _text(_MARGIN, y + 13, name)
        yield f'<rect class="{kind}" x="{left}" y="{y}" width="{length}" height="{_ROW - 6}" rx="2"/>'
        yield _text(left + length + 6, y + 13, f"{rate:,.0f}")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(text)}</text>'


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="what benchmarks.dicom_intake has written")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    parser.add_argument("--receivers", nargs="+", default=RECEIVERS, metavar="NAME")
    parser.add_argument("--associations", type=int, default=4, help="[default: 4]")
    options = parser.parse_args(arguments)
    found = json.loads(options.figures.read_text(encoding="utf-8"))
    picture = drawn(found, options.receivers, options.associations)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(picture, encoding="utf-8")
    print(f"{options.picture} is drawn")


if __name__ == "__main__":
    main()
