"""The pages of a file set that need only a browser (IHE PDI, web content).

XHTML and JPEG without scripts, with names of ISO 9660 level 1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape as escape_markup

from sqlalchemy import Connection

from kinote import __version__
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.media_sets.selection import Missing
from kinote.delivery.reports.content import KeyImage, Summary, pictures, summary
from kinote.delivery.reports.words import patient_lines, written_date
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.notes.lists import queries
from kinote.notes.lists.note import Note
from kinote.notes.lists.summary_facts import StudyFacts, study_facts
from kinote.security.actors import Actor

_FOLDER = "IHE_PDI"

#: The most pictures of a note. Others are only counted.
_MOST_PICTURES = 200

#: The largest picture in bytes.
_PICTURE = 64 * 1024

#: The most objects that a page lists as missing. Others are only counted.
_MOST_LISTED = 500

#: Characters that XML 1.0 cannot contain, even escaped. Received names and descriptions may have them.
_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1a1a1a;background:#fff}"
    "h1{font-size:1.6em;margin:0}h2{font-size:1.3em;border-top:1px solid #999;padding-top:.7em}"
    "dl{margin:.5em 0}dt{float:left;clear:left;width:11em;color:#555}dd{margin:0 0 0 11.5em}"
    "p.text{white-space:pre-wrap;font-size:1.1em}"
    "div.picture{display:inline-block;vertical-align:top;width:20em;margin:0 1em 1em 0;page-break-inside:avoid}"
    "div.picture img{max-width:100%;background:#000;display:block}div.none{background:#eee;padding:4em 1em}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
    "td.date{white-space:nowrap}"
    "p.missing{background:#fff2cc;padding:.5em}"
)


class Pages:
    """Makes the pages of the sets of one export, for these notes.

    `is_gone` tells whether the client has gone.
    """

    def __init__(
        self,
        catalog: Catalog,
        door: Door,
        notes: Sequence[Note],
        by: Actor,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._catalog = catalog
        self._door = door
        self._notes = notes
        self._by = by
        self._is_gone = is_gone
        self._pictures: Counter[str] = Counter()
        for note in notes:
            for reference in note.references[:_MOST_PICTURES]:
                self._pictures[reference.sop_instance_uid] += len(reference.frames) or 1

    def size_of_pictures(self, sop_instance_uid: str) -> int:
        """Estimate the size of an object's pictures on the pages, in bytes."""
        return min(self._pictures[sop_instance_uid], _MOST_PICTURES) * _PICTURE

    def of_set(
        self, objects: Sequence[LiveObject], absent: Sequence[Missing], file_set_id: str
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the content of each page and picture of a set with these objects.

        If a note refers to something outside the set, its page says so.
        """
        here: dict[str, list[LiveObject]] = {}
        for each in objects:
            here.setdefault(each.study_instance_uid, []).append(each)
        uids = {each.sop_instance_uid for each in objects}
        reasons = {each.sop_instance_uid: each.reason for each in absent}
        links: list[tuple[str, StudyFacts, int, int]] = []
        shown: dict[int, str] = {}
        count = 0
        for number, (study, found) in enumerate(here.items(), 1):
            with self._catalog.read() as connection:
                facts = study_facts(connection, study)
                notes = [
                    note
                    for note in self._notes
                    if _is_of(note, study, uids) and (note.id in shown or _is_current(connection, note))
                ]
            parts: list[str] = []
            for note in notes:
                key = note.id or 0
                if key not in shown:
                    files, shown[key] = self._note(note, uids, reasons, count)
                    for path, content in files:
                        count += 1
                        yield path, content
                parts.append(shown[key])
            page = f"S{number:07}.HTM"
            yield f"{_FOLDER}/{page}", _study_page(facts, study, found, parts)
            links.append((page, facts, len(found), len(notes)))
        yield "INDEX.HTM", _index(links, absent, file_set_id)

    def _note(
        self, note: Note, uids: set[str], reasons: dict[str, str], before: int
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Return the pictures of a note as files, and the part of the page that shows them.

        They are in memory together: about 50 KB each.
        """
        with self._catalog.read() as connection:
            made = summary(connection, self._door, note, self._by, most=_MOST_PICTURES)
        files: list[tuple[str, bytes]] = []
        figures: list[str] = []
        for image, picture, instead in pictures(self._door, _only(made, uids), self._is_gone):
            name = ""
            if picture is not None:
                name = f"P{before + len(files) + 1:07}.JPG"
                files.append((f"{_FOLDER}/{name}", picture))
            figures.append(_figure(image, name, instead))
        return files, _note_part(made, figures, _absent_of(note, uids, reasons))


def readme(profile: str, objects: int, absent: Sequence[Missing]) -> bytes:
    """Return README.TXT, which says what the medium holds, how to view it, and what is missing (IHE PDI)."""
    lines = [
        "DICOM images and key image notes",
        "================================",
        "",
        f"Made by Kinote {__version__}, application profile {profile}.",
        f"{objects} DICOM objects, listed in DICOMDIR.",
        "",
        "To look at the notes and their key images without any software, open",
        "INDEX.HTM in a web browser. The pictures there are not for diagnosis.",
        "A DICOM viewer, which is not on this medium, opens DICOMDIR.",
        "",
        "  DICOMDIR     table of contents, for DICOM viewers",
        "  DICOM        the objects",
        "  INDEX.HTM    pages for people, with the folder IHE_PDI",
        "  DIGESTS.TXT  SHA-256 of each file: sha256sum -c DIGESTS.TXT",
        "",
    ]
    if absent:
        count = len({each.sop_instance_uid for each in absent})
        lines += [
            f"NOT ON THIS MEDIUM: {count} objects that belong to it.",
            "INDEX.HTM lists them.",
            "",
        ]
    else:
        lines += ["Everything that the notes refer to is on this medium.", ""]
    return "\r\n".join(lines).encode("ascii", "replace")


def _is_current(connection: Connection, note: Note) -> bool:
    """Return whether a note is unchanged since the export began: not withdrawn or revised."""
    now = queries.note(connection, note.id or 0)
    return now is not None and now.standing == "live" and now.version == note.version


def escape(text: str) -> str:
    """Escape a text for XHTML."""
    return escape_markup(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _is_of(note: Note, study: str, uids: set[str]) -> bool:
    """Return whether a note is shown with a study: it lies in it, or flags objects of it that are in the set."""
    return any(
        each.study_instance_uid == study and each.sop_instance_uid in uids for each in note.key_objects
    ) or any(each.study_instance_uid == study for each in note.references)


def _only(made: Summary, uids: set[str]) -> Summary:
    """Return a summary without pictures of what is not in the set: pages show exactly the DICOM content."""
    images = tuple(
        image
        if image.shown is None or image.shown.sop_instance_uid in uids
        else replace(image, shown=None, caption=f"{image.caption}, not on this medium")
        for image in made.images
    )
    return replace(made, images=images)


def _absent_of(note: Note, uids: set[str], reasons: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a note refers to and the set lacks, with the reason."""
    referred = [
        uid
        for reference in note.references
        if reference.status != "foreign"
        for uid in (reference.sop_instance_uid, reference.presentation_state_uid)
        if uid
    ]
    return [
        (uid, reasons.get(uid, "in another file set of this export"))
        for uid in dict.fromkeys(referred)
        if uid not in uids
    ]


def _page(title: str, body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en" xml:lang="en"><head>'
        '<meta http-equiv="Content-Type" content="text/html; charset=utf-8" />'
        f'<title>{escape(title)}</title><style type="text/css">{_STYLE}</style></head>\n<body>{body}</body></html>\n'
    ).encode()


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd>' for name, value in facts if value
    )
    return f"<dl>{listed}</dl>" if listed else ""


def _study_page(facts: StudyFacts, study: str, found: Sequence[LiveObject], notes: Sequence[str]) -> bytes:
    said = [
        *patient_lines(facts),
        ("Study date", written_date(facts.study_date)),
        ("Description", facts.description),
        ("Study UID", study),
        ("On this medium", f"{len(found)} objects"),
    ]
    title = facts.description or "Study"
    body = "".join(notes) or "<p>No notes flag images of this study.</p>"
    return _page(
        title,
        f'<p><a href="../INDEX.HTM">All studies</a></p><h1 dir="auto">{escape(title)}</h1>{_facts(said)}{body}',
    )


def _note_part(made: Summary, figures: Sequence[str], absent: Sequence[tuple[str, str]]) -> str:
    note = made.note
    language = f' lang="{escape(note.language)}" xml:lang="{escape(note.language)}"' if note.language else ""
    text = f'<p class="text" dir="auto"{language}>{escape(note.description)}</p>' if note.description else ""
    more = f"<p>and {made.more} more key images</p>" if made.more else ""
    return (
        f'<h2 dir="auto">{escape(made.title)}</h2>{text}{_facts(made.note_facts)}'
        f"<div>{''.join(figures)}</div>{more}{_missing(absent)}"
    )


def _figure(image: KeyImage, name: str, instead: str) -> str:
    caption = f"{image.number}. {escape(image.caption)}"
    seen = f'<img src="{name}" alt="{caption}" />' if name else f'<div class="none">{escape(instead)}</div>'
    return f'<div class="picture">{seen}<span>{caption}</span></div>'


def _missing(absent: Sequence[tuple[str, str]]) -> str:
    if not absent:
        return ""
    rows = "".join(
        f"<tr><td>{escape(uid)}</td><td>{escape(reason)}</td></tr>" for uid, reason in absent[:_MOST_LISTED]
    )
    more = f"<p>and {len(absent) - _MOST_LISTED} more</p>" if len(absent) > _MOST_LISTED else ""
    return (
        '<p class="missing">These objects belong here and are not on this medium:</p>'
        f"<table><tr><th>SOP Instance UID</th><th>Why</th></tr>{rows}</table>{more}"
    )


def _patient(facts: StudyFacts) -> str:
    return ", ".join(value for _, value in patient_lines(facts)[:3]) or "Unnamed patient"


def _index(
    links: Sequence[tuple[str, StudyFacts, int, int]], absent: Sequence[Missing], file_set_id: str
) -> bytes:
    rows = "".join(
        f'<tr><td dir="auto">{escape(_patient(facts))}</td>'
        f'<td class="date">{escape(written_date(facts.study_date))}</td>'
        f'<td dir="auto"><a href="{_FOLDER}/{page}">{escape(facts.description or "Study")}</a></td>'
        f"<td>{objects}</td><td>{notes}</td></tr>"
        for page, facts, objects, notes in links
    )
    body = (
        f"<h1>Key image notes</h1><p>File set {escape(file_set_id)}. The pictures are not for diagnosis.</p>"
        "<table><tr><th>Patient</th><th>Date</th><th>Study</th><th>Objects</th><th>Notes</th></tr>"
        f"{rows}</table>{_missing([*{each.sop_instance_uid: each.reason for each in absent}.items()])}"
        '<p><a href="README.TXT">README.TXT</a></p>'
    )
    return _page("Key image notes", body)
