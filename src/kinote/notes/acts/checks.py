"""Checks a request against the index. All its problems are found at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from kinote.dicom.dictionary import sop_classes
from kinote.dicom.values import uids
from kinote.keyobject import titles
from kinote.keyobject.codes import Code
from kinote.keyobject.validity import problem_with_code
from kinote.keyobject.values.texts import problem_with
from kinote.notes.acts.request import NoteRequest, Problem, RequestedReference
from kinote.notes.author import AUTHOR_KINDS, Author
from kinote.notes.content import ContentReference, NoteContent
from kinote.notes.known_instances import KnownInstance
from kinote.notes.patients import PatientIdentity

#: The longest description, in characters. Nobody reads more; a longer one is the mistake of a program.
MAX_DESCRIPTION = 100_000

#: The most references that a note may have: as many as the reader accepts (V55).
MAX_REFERENCES = 100_000

#: The well-formed language tags of RFC 5646 2.1, without the grandfathered ones.
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)

#: Characters that DICOM's UT does not allow (PS3.5 6.2): control characters other than TAB, LF, FF and CR; and
#: surrogates, which JSON can hold and UTF-8 cannot.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")

#: In names and coded meanings, these and the backslash are not allowed either (PS3.5 6.2, PN and LO).
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")

#: Segment numbers are US (PS3.3 C.18.4).
_LARGEST_SEGMENT = 65_535

#: The longest UID, in characters (PS3.5 9). Stored instances may break this rule.
_UID = 64

_NOBODY = Author()

_REMOVED = {
    "withdrawn": "The instance has been withdrawn.",
    "purged": "The instance has been purged.",
}


def check_request(
    request: NoteRequest,
    known: Mapping[str, KnownInstance],
    *,
    study_instance_uid: str | None,
    created: str,
    kept: tuple[ContentReference, ...] = (),
    author: Author = _NOBODY,
) -> tuple[NoteContent | None, list[Problem]]:
    """Return the content of the requested note, and all problems of the request.

    `known` has the named instances that the index has. References in `kept` (those of the version being revised) are
    accepted, whatever happened to their images. `author` is the author of that version, kept if the request names none.
    """
    problems: list[Problem] = []
    title = _title(request.title, problems)
    modifiers = _modifiers(title, request.modifiers, problems)
    _check_text(request, problems)
    if request.author is not None:
        author = replace(request.author, name=request.author.name.strip(), login=request.author.login.strip())
        _check_author(author, problems)
    references = _References(known, kept, problems).check(request.references, study_instance_uid)
    if problems or title is None:
        return None, problems
    content = NoteContent(
        title=title,
        title_group=str(titles.title_group(title)),
        modifiers=modifiers,
        # Trailing blanks are padding in DICOM: no document keeps them.
        description=request.description.rstrip() if request.description.strip() else "",
        language=request.language,
        author=author,
        created=created,
        references=references,
    )
    return content, problems


def check_migrated(
    request: NoteRequest, *, created: str, references: tuple[ContentReference, ...]
) -> tuple[NoteContent | None, list[Problem]]:
    """Return the content of a note of another system, and all its problems.

    `references` are what it flags. The images need not be here.
    """
    problems: list[Problem] = []
    title = _title(request.title, problems)
    modifiers = _modifiers(title, request.modifiers, problems)
    _check_text(request, problems)
    author = request.author or _NOBODY
    author = replace(author, name=author.name.strip(), login=author.login.strip())
    _check_author(author, problems)
    if problems or title is None:
        return None, problems
    content = NoteContent(
        title=title,
        title_group=str(titles.title_group(title)),
        modifiers=modifiers,
        description=request.description.rstrip() if request.description.strip() else "",
        language=request.language,
        author=author,
        created=created,
        references=references,
    )
    return content, problems


def printable(text: str) -> str:
    """Remove the control characters that DICOM text cannot hold."""
    return _CONTROL.sub("", text).strip()


def _title(asked: Code, problems: list[Problem]) -> Code | None:
    title = titles.canonical(asked)
    group = titles.title_group(title)
    if group not in titles.MAKEABLE_GROUPS:
        article = "rejection note" if group is titles.TitleGroup.REJECTION else f"{group} document"
        problems.append(
            Problem("title", f"{title.value} is the title of a {article}; choose that of a clinical note.")
        )
        return None
    return _with_meaning(title, "title", problems)


def _with_meaning(code: Code, field: str, problems: list[Problem]) -> Code | None:
    meaning = titles.standard_meaning(code) or code.meaning.strip()
    if not meaning:
        problems.append(
            Problem(field, f"{code.value} of {code.scheme} is no code of DICOM's; give its meaning with it.")
        )
        return None
    asked = Code(code.value, code.scheme, meaning)
    # The writer would refuse it: a document cannot hold it.
    problem = problem_with_code(asked)
    if problem:
        problems.append(Problem(field, f"{problem[0].upper()}{problem[1:]}."))
        return None
    return asked


def _modifiers(title: Code | None, asked: tuple[Code, ...], problems: list[Problem]) -> tuple[Code, ...]:
    rule = titles.modifiers_for(title) if title else None
    if rule and rule.mandatory and not asked:
        choices = ", ".join(f"{code.value} {code.meaning}" for code in rule.codes)
        problems.append(
            Problem("modifiers", f"This title needs a modifier of CID {rule.context_group}: {choices}.")
        )
    modifiers = []
    for position, code in enumerate(asked):
        field = f"modifiers[{position}]"
        if rule and code not in rule.codes:
            problems.append(
                Problem(field, f"{code.value} of {code.scheme} is not in CID {rule.context_group}.")
            )
        elif code in asked[:position]:
            problems.append(Problem(field, "The modifier is given twice."))
        elif modifier := _with_meaning(code, field, problems):
            modifiers.append(modifier)
    return tuple(modifiers)


def _check_text(request: NoteRequest, problems: list[Problem]) -> None:
    if len(request.description) > MAX_DESCRIPTION:
        problems.append(
            Problem("description", f"The description has more than {MAX_DESCRIPTION:,} characters.")
        )
    if _CONTROL.search(request.description):
        problems.append(
            Problem(
                "description",
                "The description has control characters or halves of others; leave them out.",
            )
        )
    if request.language and not _LANGUAGE.fullmatch(request.language):
        problems.append(
            Problem("language", f"{request.language[:40]!r} is no RFC 5646 language tag, e.g. en-GB or ja.")
        )


def _check_author(author: Author, problems: list[Problem]) -> None:
    if author.kind not in AUTHOR_KINDS:
        problems.append(Problem("author.kind", "An author is a person or a device."))
    problem = problem_with("PN", author.name)
    if problem:
        problems.append(Problem("author.name", f"The name {problem}."))
    if _NOT_IN_A_LINE.search(author.login):
        problems.append(Problem("author.login", "Control characters and backslashes cannot be part of it."))
    if author.login and not author.name:
        problems.append(Problem("author.name", "An author with a login name has a name as well."))


class _References:
    """Checks the references of one request, in order."""

    def __init__(
        self,
        known: Mapping[str, KnownInstance],
        kept: tuple[ContentReference, ...],
        problems: list[Problem],
    ) -> None:
        self._known = known
        self._kept = {_what(reference): reference for reference in kept}
        self._problems = problems
        #: The patients of the flagged images, each with the first image of theirs. An image without a Patient ID
        #: differs from nobody's, so comparing with a single one is not enough.
        self._patients: dict[PatientIdentity, str] = {}

    def check(
        self, asked: tuple[RequestedReference, ...], study_instance_uid: str | None
    ) -> tuple[ContentReference, ...]:
        if not asked:
            self._problems.append(Problem("references", "A note flags at least one image."))
            return ()
        if len(asked) > MAX_REFERENCES:
            self._problems.append(Problem("references", f"A note has at most {MAX_REFERENCES:,} references."))
            return ()
        # Kept references first, whatever their order: new ones must be of the patient of those.
        for reference in asked:
            if _what(reference) in self._kept and reference.sop_instance_uid in self._known:
                self._add_patient(self._known[reference.sop_instance_uid])
        checked = []
        seen = set()
        for position, reference in enumerate(asked):
            place = f"references[{position}]"
            what = _what(reference)
            if what in seen:
                self._problems.append(Problem(place, "The same is flagged before already."))
                continue
            seen.add(what)
            if what in self._kept:
                checked.append(self._kept[what])
            elif (resolved := self._resolve(reference, place)) is not None:
                checked.append(resolved)
        if study_instance_uid is not None and checked and not self._problems:
            self._check_study(checked, study_instance_uid)
        return tuple(checked)

    def _check_study(self, checked: list[ContentReference], study_instance_uid: str) -> None:
        if all(reference.study_instance_uid != study_instance_uid for reference in checked):
            self._problems.append(
                Problem(
                    "references",
                    f"None of the images is in study {study_instance_uid}; make the note in their own.",
                )
            )

    def _resolve(self, reference: RequestedReference, place: str) -> ContentReference | None:
        found = self._live(reference.sop_instance_uid, f"{place}.sop_instance_uid")
        if found is None:
            return None
        before = len(self._problems)
        self._check_place(reference, found, place)
        self._check_patient(found, place)
        self._check_frames(reference, found, place)
        self._check_segments(reference, found, place)
        self._check_presentation_state(reference, found, place)
        if len(self._problems) > before:
            return None
        return ContentReference(
            study_instance_uid=found.study_instance_uid,
            series_instance_uid=found.series_instance_uid,
            sop_class_uid=found.sop_class_uid,
            sop_instance_uid=found.sop_instance_uid,
            frames=tuple(reference.frames),
            segments=tuple(reference.segments),
            presentation_state_uid=reference.presentation_state_uid or "",
        )

    def _live(self, sop_instance_uid: str, field: str) -> KnownInstance | None:
        if not uids.is_tolerable(sop_instance_uid):
            self._say(field, f"{sop_instance_uid[:80]!r} is no UID.")
            return None
        found = self._known.get(sop_instance_uid)
        if found is None:
            self._say(field, "No instance with this UID is stored here.")
            return None
        if found.standing != "live":
            self._say(field, _REMOVED[found.standing])
            return None
        if max(map(len, (found.study_instance_uid, found.series_instance_uid, sop_instance_uid))) > _UID:
            self._say(field, "The UIDs of this instance are longer than a document can hold.")
            return None
        return found

    def _check_place(self, reference: RequestedReference, found: KnownInstance, place: str) -> None:
        if reference.study_instance_uid not in (None, found.study_instance_uid):
            self._say(f"{place}.study_instance_uid", f"The image is in study {found.study_instance_uid}.")
        if reference.series_instance_uid not in (None, found.series_instance_uid):
            self._say(f"{place}.series_instance_uid", f"The image is in series {found.series_instance_uid}.")

    def _check_patient(self, found: KnownInstance, place: str) -> None:
        for patient, image in self._patients.items():
            if found.patient.differs_from(patient):
                self._say(
                    place,
                    f"The image is of another patient than image {image}, which is flagged, too;"
                    " a note is about one patient.",
                )
                return
        self._add_patient(found)

    def _add_patient(self, found: KnownInstance) -> None:
        self._patients.setdefault(found.patient, found.sop_instance_uid)

    def _check_frames(self, reference: RequestedReference, found: KnownInstance, place: str) -> None:
        if not reference.frames:
            return
        field = f"{place}.frames"
        if reference.segments:
            self._say(field, "Give frames or segments, not both.")
        if found.frames == 1 or not sop_classes.is_multiframe_capable(found.sop_class_uid):
            self._say(field, "The image has one frame only; leave the frame numbers out.")
        elif wrong := [number for number in reference.frames if not 1 <= number <= found.frames]:
            self._say(field, f"Frame {wrong[0]} does not exist; the image has frames 1 to {found.frames}.")
        elif len(set(reference.frames)) < len(reference.frames):
            self._say(field, "A frame is given twice.")

    def _check_segments(self, reference: RequestedReference, found: KnownInstance, place: str) -> None:
        if not reference.segments:
            return
        field = f"{place}.segments"
        if not sop_classes.is_segmentation(found.sop_class_uid):
            self._say(field, "Only segmentations have segments; leave them out.")
        elif any(not 1 <= number <= _LARGEST_SEGMENT for number in reference.segments):
            self._say(field, f"Segments are counted from 1 to {_LARGEST_SEGMENT}.")
        elif len(set(reference.segments)) < len(reference.segments):
            self._say(field, "A segment is given twice.")

    def _check_presentation_state(
        self, reference: RequestedReference, image: KnownInstance, place: str
    ) -> None:
        if not reference.presentation_state_uid:
            return
        field = f"{place}.presentation_state_uid"
        state = self._live(reference.presentation_state_uid, field)
        if state is None:
            return
        if not sop_classes.is_presentation_state(state.sop_class_uid):
            self._say(field, f"This is no presentation state but {sop_classes.name(state.sop_class_uid)}.")
        elif not sop_classes.is_image(image.sop_class_uid):
            self._say(field, "Only images are shown by a presentation state.")
        elif state.study_instance_uid != image.study_instance_uid:
            self._say(field, "The presentation state is of another study than the image.")

    def _say(self, field: str, message: str) -> None:
        self._problems.append(Problem(field, message))


def _what(reference: RequestedReference | ContentReference) -> tuple[object, ...]:
    """Return what a reference flags, by which references are compared."""
    return (
        reference.sop_instance_uid,
        tuple(reference.frames),
        tuple(reference.segments),
        reference.presentation_state_uid or "",
    )
