"""A key object as a page for people (PS3.18 8.7.4: text/html for the rendered text category)."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kinote.delivery.outgoing import outgoing
from kinote.dicom.dictionary import sop_classes
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.keyobject import reader
from kinote.keyobject.reading import Reading
from kinote.security.actors import Actor
from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.dicomweb.retrieving.resources import CACHED, entity_tag, not_modified
from kinote.web.problems import NotAcceptableError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

_HTML = "text/html"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1{font-size:1.5rem;margin:0}p.text{white-space:pre-wrap;font-size:1.125rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{color:#555}dd{margin:0}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #ddd;overflow-wrap:anywhere}th{color:#555;font-weight:600}"
)

#: No scripts and no loading: only the styles above are allowed.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)

#: The most references listed. Others are only counted.
_LISTED = 1000


async def document_page(request: Request, item: LiveObject) -> Response:
    """Return the page of a key object."""
    if choose(accepted(request), (_HTML,)) is None:
        raise NotAcceptableError(f"A key object is rendered as {_HTML}.")
    tag = entity_tag([item], _HTML)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    rooms = rooms_of(request)
    page = await rooms.read(lambda: _page(_read(rooms.door, item, actor_of(request))))
    headers = {"ETag": tag, "Cache-Control": CACHED, "Content-Security-Policy": _POLICY}
    return HTMLResponse(page, headers=headers)


def _read(door: Door, item: LiveObject, by: Actor) -> Reading:
    with outgoing(door, item, by, leaves=False).file as file:
        # One byte more than is read, so that the reader reports an object that is too large.
        return reader.read(file.read(reader.MAX_BYTES + 1), item.transfer_syntax_uid)


def _page(reading: Reading) -> str:
    is_readable = reading.registration != "unreadable"
    title = reading.title_text if is_readable else "Key object that cannot be understood"
    facts = [
        ("Modifiers", ", ".join(code.meaning for code in reading.modifiers)),
        (
            "Made",
            " ".join(part for part in (_date(reading.content_date), _time(reading.content_time)) if part),
        ),
        ("Author", ", ".join(observer.name for observer in reading.observers)),
        ("Patient ID", reading.patient_id),
        ("Manufacturer", reading.manufacturer),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts if value)
    language = f' lang="{escape(reading.language)}"' if reading.language else ""
    text = f'<p class="text"{language}>{escape(reading.description)}</p>' if reading.description else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{text}<dl>{listed}</dl>"
        f"{_references(reading)}{_findings(reading)}</body></html>"
    )


def _references(reading: Reading) -> str:
    references = reading.distinct_references
    if not references:
        return ""
    rows = "".join(
        f"<tr><td>{number}</td><td>{escape(sop_classes.name(reference.sop_class_uid))}</td>"
        f"<td>{escape(reference.sop_instance_uid)}</td><td>{', '.join(map(str, reference.frames))}</td></tr>"
        for number, reference in enumerate(references[:_LISTED], 1)
    )
    more = f"<p>and {len(references) - _LISTED} more</p>" if len(references) > _LISTED else ""
    return (
        f"<h2>{len(references)} flagged</h2><table><thead><tr><th>No.</th><th>Kind</th><th>SOP Instance UID</th>"
        f"<th>Frames</th></tr></thead><tbody>{rows}</tbody></table>{more}"
    )


def _findings(reading: Reading) -> str:
    if not reading.findings:
        return ""
    items = "".join(
        f"<li>{escape(finding.text)} ({escape(finding.code)})</li>" for finding in reading.findings
    )
    return f"<h2>Findings</h2><ul>{items}</ul>"


def _date(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 else value


def _time(value: str) -> str:
    return f"{value[:2]}:{value[2:4]}" if len(value) >= 4 else value
