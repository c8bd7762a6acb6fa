"""The summary of a note, or the report of a study, as one HTML page with embedded pictures that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from html import escape

from kinote.delivery.reports.content import KeyImage, Report, Summary, pictures, study_lines, until_when
from kinote.holdings.door import Door

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1{font-size:1.5rem;margin:0}p.text{white-space:pre-wrap;font-size:1.125rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{color:#555}dd{margin:0}"
    "section{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem}"
    "figure{margin:0;break-inside:avoid}figure img,figure p{display:block;width:100%;aspect-ratio:1;"
    "object-fit:contain;background:#000}figure p{margin:0;background:#eee;display:grid;place-content:center}"
    "h2{font-size:1.25rem;margin:0;break-after:avoid}article{border-top:1px solid #999;margin-top:1.5rem;"
    "padding-top:1rem}article dl{font-size:.875rem}footer{color:#555;font-size:.875rem;margin-top:1.5rem}"
    "@page{size:A4;margin:15mm}@media print{body{font-size:11pt;margin:0;padding:0;max-width:none}"
    "section{grid-template-columns:repeat(3,1fr)}figure img,figure p{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}figcaption{font-size:9pt}}"
)

#: No scripts and no loading: only the styles above and the pictures within the page are allowed.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; "
    "style-src 'sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode() + "'"
)


def page(door: Door, shown: Summary, is_gone: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    """Yield the page, a picture at a time."""
    note = shown.note
    title = escape(shown.title)
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in shown.facts)
    language = f' lang="{escape(note.language)}"' if note.language else ""
    text = f'<p class="text"{language}>{escape(note.description)}</p>' if note.description else ""
    yield (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{text}<dl>{facts}</dl><section>"
    ).encode()
    for image, picture, instead in pictures(door, shown, is_gone):
        yield _figure(image, picture, instead).encode()
    more = f"<p>and {shown.more} more</p>" if shown.more else ""
    yield f"</section>{more}</body></html>".encode()


def study_page(door: Door, shown: Report, is_gone: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    """Yield the report of a study, a picture at a time."""
    title = escape(shown.title)
    yield (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{_STYLE}</style></head><body><h1 dir="auto">{title}</h1>{_listed(study_lines(shown.study))}'
    ).encode()
    until = until_when()
    for one in shown.notes:
        note = one.note
        language = f' lang="{escape(note.language)}"' if note.language else ""
        text = (
            f'<p class="text" dir="auto"{language}>{escape(note.description)}</p>' if note.description else ""
        )
        yield f"<article><h2>{escape(one.title)}</h2>{text}{_listed(one.note_facts)}<section>".encode()
        for image, picture, instead in pictures(door, one, is_gone, until=until):
            yield _figure(image, picture, instead).encode()
        more = f"<p>and {one.more} more key images</p>" if one.more else ""
        yield f"</section>{more}</article>".encode()
    if not shown.notes:
        yield b"<p>No notes flag images of this study.</p>"
    more = f"<p>and {shown.more} more notes</p>" if shown.more else ""
    uid = escape(shown.study_instance_uid)
    yield f"{more}<footer>Study {uid}. Pictures are not for diagnosis.</footer></body></html>".encode()


def _listed(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f'<dt>{name}</dt><dd dir="auto">{escape(value)}</dd>' for name, value in facts if value)
    return f"<dl>{rows}</dl>"


def _figure(image: KeyImage, picture: bytes | None, instead: str) -> str:
    caption = f"{image.number}. {escape(image.caption)}"
    if picture is None:
        seen = f"<p>{escape(instead)}</p>"
    else:
        seen = f'<img alt="{caption}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    return f"<figure>{seen}<figcaption>{caption}</figcaption></figure>"
