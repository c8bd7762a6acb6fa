"""A note's summary as one HTML page that holds its pictures and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from html import escape

from kinote.delivery.reports.content import KeyImage, Summary, pictures
from kinote.holdings.door import Door

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1{font-size:1.5rem;margin:0}p.text{white-space:pre-wrap;font-size:1.125rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{color:#555}dd{margin:0}"
    "section{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem}"
    "figure{margin:0;break-inside:avoid}figure img,figure p{display:block;width:100%;aspect-ratio:1;"
    "object-fit:contain;background:#000}figure p{margin:0;background:#eee;display:grid;place-content:center}"
)

#: Nothing may run or be loaded; of styles only the one above, of pictures only those within the page.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; "
    "style-src 'sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode() + "'"
)


def page(door: Door, shown: Summary, is_gone: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    """The page, a picture at a time."""
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


def _figure(image: KeyImage, picture: bytes | None, instead: str) -> str:
    caption = f"{image.number}. {escape(image.caption)}"
    if picture is None:
        seen = f"<p>{escape(instead)}</p>"
    else:
        seen = f'<img alt="{caption}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    return f"<figure>{seen}<figcaption>{caption}</figcaption></figure>"
