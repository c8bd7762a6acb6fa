"""Sections 1, 5, 6 and 8 to 10 of the statement: scope, media, character sets, content, deviations, IHE."""

from __future__ import annotations

from kinote.conformance.markdown import Section, table, uid_name, yes
from kinote.dicom.values.character_sets import defined_terms
from kinote.keyobject.titles import MAKEABLE_GROUPS, TITLES, title_group
from kinote.lifecycle.acts import ACTS
from kinote.lifecycle.rejection.rules import ACTS_BY_TITLE, COMMITMENT_TIME
from kinote.media.profiles import PROFILES

#: Deviations from what PS3.4, PS3.18 or a profile lead one to expect: subject, clause, what Kinote does.
DEVIATIONS = (
    (
        "Warning B000 of C-STORE",
        "PS3.4 B.2.3",
        "Kept beside another object with its UID, and not found until a person has decided. Nothing is coerced.",
    ),
    (
        "UIDs that are no UIDs",
        "PS3.5 9.1",
        "Components with leading zeros are taken as keys and sent as they came.",
    ),
    (
        "Unique keys of the levels above",
        "PS3.4 C.4.1.2.1",
        "A UID makes those above it needless; keys in sequences find key objects wherever they are.",
    ),
    (
        "Specific Character Set of answers",
        "PS3.4 C.4.1.1.3.2",
        "That of the query where it can say everything, else UTF-8.",
    ),
    (
        "Patient/Study Only model",
        "PS3.4-2004 C.6.3",
        "Retired, and offered for old workstations.",
    ),
    (
        "Rejection notes of a sender without the right",
        "IHE IOCM",
        "They are stored and listed as proposals; a person decides.",
    ),
    (
        "C-MOVE and C-GET of studies and patients",
        "PS3.4 C.4.2, C.4.3",
        "By a setting of a peer (`pulled`, off) only key images or key objects go; what is named below is sent.",
    ),
)

#: The integration statement: profile, actor, options, and limitations.
INTEGRATION = (
    ("Key Image Note (KIN)", "Evidence Creator", "", "RAD-29 to destinations; RAD-10 is not asked for"),
    ("Key Image Note (KIN)", "Image Manager/Image Archive", "", "RAD-29, RAD-30, RAD-31; not RAD-10"),
    ("Portable Data for Imaging (PDI)", "Portable Media Creator", "Web Content", "RAD-47; no encryption"),
    (
        "Portable Data for Imaging (PDI)",
        "Portable Media Importer",
        "",
        "RAD-47 of DICOM content, without reconciliation",
    ),
    (
        "Imaging Object Change Management (IOCM)",
        "Image Manager/Image Archive",
        "",
        "RAD-66 as receiver; by title",
    ),
    (
        "Imaging Object Change Management (IOCM)",
        "Change Requester",
        "",
        "RAD-66 by rejection notes: for those who query, and sent to receivers that understand them",
    ),
)


def overview() -> Section:
    """Return the section about the subject of the statement."""
    return Section("Introduction", (_SCOPE, _ABBREVIATIONS))


def media_interchange() -> Section:
    """Return the section about media (PS3.2 N.6)."""
    rows = (
        (f"`{one.name}`", one.clause, ", ".join(map(uid_name, sorted(one.compressed))) or "none")
        for one in PROFILES.values()
    )
    kept = table(
        ("profile", "clause", "transfer syntaxes that are kept, beside Explicit VR Little Endian"), rows
    )
    return Section("Media interchange", (_MEDIA, kept))


def character_sets() -> Section:
    """Return the section about character sets (PS3.2 N.8)."""
    rows = ((f"`{term}`", kind) for term, kind in defined_terms())
    return Section("Character sets", (_CHARACTER_SETS, table(("defined term", "use"), rows)))


def content() -> Section:
    """Return the section about the documents that Kinote makes, and its treatment of received ones."""
    return Section(
        "Key object documents",
        (_DOCUMENTS,),
        (
            Section("Document titles (CID 7010)", (_titles(),)),
            Section("Withdrawals", (_WITHDRAWALS, _acts())),
            Section("Rejection notes that are received", (_REJECTIONS, _received())),
            Section("Conditions of deletion, and storage commitment", (_COMMITMENT,)),
        ),
    )


def deviations() -> Section:
    """Return the section about deviations."""
    return Section(
        "Deviations and extensions", (table(("matter", "clause", "behavior"), DEVIATIONS), _PRIVATE)
    )


def integration() -> Section:
    """Return the IHE integration statement (IHE Radiology Technical Framework volume 1, appendix D)."""
    head = ("profile", "actor", "options", "transactions and limits")
    return Section("IHE integration statement", (_INTEGRATION, table(head, INTEGRATION)))


def _titles() -> str:
    rows = (
        (
            f"({code.value}, {code.scheme})",
            code.meaning,
            str(title_group(code)),
            yes(title_group(code) in MAKEABLE_GROUPS),
        )
        for code in TITLES
    )
    return table(("code", "meaning", "group", "people make notes with it"), rows)


def _acts() -> str:
    rows = (
        (
            act.name,
            f"({act.reason.value}, {act.reason.scheme}) {act.reason.meaning}",
            f"({act.rejection_title.value}, {act.rejection_title.scheme})" if act.rejection_title else "none",
            act.later_copies.value,
            f"{act.undo_window.total_seconds():g} s",
        )
        for act in ACTS
    )
    return table(
        ("act", "reason (CID 7031)", "title of the rejection note", "later copies", "undo window"), rows
    )


def _received() -> str:
    rows = (
        (
            f"({title.value}, {title.scheme}) {title.meaning}",
            act.name,
            act.later_copies.value,
            yes(act.may_be_shown),
        )
        for title, act in ACTS_BY_TITLE.items()
    )
    return table(("title", "taken as", "later copies", "may stay in use, by setting"), rows)


_SCOPE = (
    "Kinote is a server for key image notes. It stores studies, makes Key Object Selection documents for what "
    "people mark in its viewer or by its REST interface, and registers the documents of other systems. This "
    "statement follows PS3.2. It describes the defaults; a site can restrict what peers may do. It says nothing "
    "about interoperability with a given system, which is to be tested."
)
_ABBREVIATIONS = (
    "SCU and SCP are the roles of PS3.7; *peer* and *destination* are systems that a site has configured "
    "([terms](terms.md))."
)
_MEDIA = (
    "Kinote is a File-set Reader and a File-set Creator; it updates no file set of others. As reader it "
    "imports the files of any medium: folders, ZIP files, ISO 9660 and UDF images. The content of the "
    "files decides, not the DICOMDIR; files that a DICOMDIR lists and that are not there are reported. "
    "As creator it makes [file sets](media.md) with DICOMDIR in folders, ZIP files and ISO 9660 images "
    "of level 1, with the profiles below. Objects in transfer syntaxes that the profile does not have "
    "are decompressed. Values of type 1 that directory records need and objects lack are made up in the "
    "directory alone. The pages (INDEX.HTM, IHE_PDI) are XHTML 1.0 with JPEG pictures, without scripts. "
    "Media are not encrypted."
)
_CHARACTER_SETS = (
    "Kinote reads and matches text in these character sets. Documents that it makes, and its JSON, are in UTF-8 "
    "(`ISO_IR 192`). Text that does not decode as declared is read as UTF-8, and otherwise as Latin-1; the bytes "
    "of an object stay as they are."
)
_DOCUMENTS = (
    "Kinote makes Key Object Selection documents (TID 2010, PS3.3 A.35.4) with Manufacturer and the "
    "implementation of section 3.2, one for each study that a version of a note touches (Identical Documents "
    "Sequence). They are in Explicit VR Little Endian, without private attributes, and never changed: a revision "
    "is a new document. Documents of others are kept whatever they contain; [findings](findings.md) and "
    "[variants](variants.md) say how they are read."
)
_WITHDRAWALS = (
    "A withdrawal takes objects out of every query and retrieval at once. Its rejection note (IHE IOCM) becomes "
    "live when the undo window has closed."
)
_REJECTIONS = (
    "A rejection note withdraws what it names if its sender has the right to reject; otherwise a person decides. "
    "[Rejection notes](rejections.md) has the conditions and settings. A received rejection note is kept for at "
    f"least {COMMITMENT_TIME.days} days."
)
_COMMITMENT = (
    "Kinote deletes bytes only of objects that were withdrawn, after the time set by the site (never, by "
    "default), and leaves a tombstone for each UID; nothing that is on [hold](retention.md) is deleted. Objects "
    "are not deleted for lack of room: intake stops first. The capacity is that of the disk; `kinote doctor` and "
    "an alert say what is left. By the Storage Commitment Push Model and PS3.18 section 13, Kinote commits to "
    "objects that are live and durable (PS3.4 J.1.1); a request is decided before its response, and the result "
    "follows on another association, as a rule at once. [Archiving](archiving.md) has the conditions. Bytes of "
    "objects that people evict remain at an archive that has committed to them, and are recalled when they are "
    "read, which takes as long as the archive takes."
)
_PRIVATE = (
    "Kinote has no private SOP classes, transfer syntaxes or attributes of its own. Standard extended classes and"
    " private ones of others are stored as they are."
)
_INTEGRATION = (
    "This statement follows the IHE Radiology Technical Framework, volume 1, appendix D. It names actors whose "
    "transactions are implemented as the last column says. No result of a Connectathon is claimed."
)
