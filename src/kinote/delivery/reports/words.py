"""Text about patient, study and image: captions in a summary, and text drawn into pictures."""

from __future__ import annotations

from collections.abc import Sequence

from kinote.notes.lists.summary_facts import StudyFacts


def written_date(date: str) -> str:
    """Return a DICOM date as `YYYY-MM-DD`; anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def written_name(name: str) -> str:
    """Return a person name for people: its component groups as (Yamada Tarou, 山田 太郎)."""
    groups = [group.replace("^", " ").strip() for group in name.split("=")]
    return ", ".join(" ".join(group.split()) for group in groups if group)


def patient_lines(facts: StudyFacts) -> list[tuple[str, str]]:
    """Return the facts about a patient and the order, as (name, value)."""
    lines = [
        ("Patient", written_name(facts.patient_name)),
        ("Born", written_date(facts.patient_birth_date)),
        ("Patient ID", facts.patient_id),
        ("Accession number", facts.accession_number),
    ]
    return [(name, value) for name, value in lines if value]


def numbers_text(numbers: tuple[int | None, int | None], frame: int = 0) -> Sequence[str]:
    """Return the series, image and frame number, if known."""
    return [
        f"{name} {number}"
        for name, number in zip(("series", "image", "frame"), (*numbers, frame or None), strict=True)
        if number is not None
    ]
