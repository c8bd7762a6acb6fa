"""The content tree of a key object, as far as TID 2010 has a meaning for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kinote.dicom import sop_classes, tags, uids
from kinote.dicom.dataset import DataSet
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.model import Device, InvalidKeyObjectError, Observer, Person

#: TID 2010 needs two levels, manifests with an image library four (V56).
MAX_DEPTH = 16

_REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
_DESCRIPTION, _TITLE_MODIFIER, _LANGUAGE, _PROCEDURE = "113012", "113011", "121049", "121023"
_OBSERVER_TYPE, _PERSON_NAME, _LOGIN, _DEVICE_UID, _DEVICE_NAME = (
    "121005",
    "121008",
    "128774",
    "121012",
    "121013",
)


@dataclass(frozen=True, slots=True)
class ReadReference:
    """A reference as read: UIDs may be empty where the document does not say."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()
    waveform_channels: tuple[int, ...] = ()
    presentation_state_uid: str = ""
    presentation_state_class_uid: str = ""
    value_map_uids: tuple[str, ...] = ()


@dataclass(slots=True)
class Content:
    """What the content tree says."""

    references: tuple[ReadReference, ...] = ()
    nested_references: tuple[ReadReference, ...] = ()
    modifiers: tuple[Code, ...] = ()
    descriptions: tuple[str, ...] = ()
    language: str = ""
    observers: tuple[Observer, ...] = ()
    procedure_codes: tuple[Code, ...] = ()
    broken: int = 0
    too_deep: bool = False
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """What is gathered on the way through the items."""

    references: list[ReadReference] = field(default_factory=list)
    nested: list[ReadReference] = field(default_factory=list)
    modifiers: list[Code] = field(default_factory=list)
    described: list[str] = field(default_factory=list)
    other_texts: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    procedures: list[Code] = field(default_factory=list)
    observers: list[dict[str, str]] = field(default_factory=list)
    broken: int = 0
    noted: dict[str, Finding] = field(default_factory=dict)

    def note(self, code: str, detail: object = "") -> None:
        """A finding once, however many items share it."""
        self.noted.setdefault(code, found(code, "(0040,A730)", detail))


def read_content(root: DataSet) -> Content:
    """Walk the content tree, level by level."""
    walk = _Walk()
    level = list(root.items(tags.CONTENT_SEQUENCE))
    depth = 1
    while level:
        if depth > MAX_DEPTH:
            return Content(too_deep=True)
        below: list[DataSet] = []
        for item in level:
            _read_item(item, walk, at_root=depth == 1)
            if tags.CONTENT_SEQUENCE in item:
                below += item.items(tags.CONTENT_SEQUENCE)
        level = below
        depth += 1
    return _gathered(walk)


def _gathered(walk: _Walk) -> Content:
    if len(walk.described) > 1:
        walk.note("DESCRIPTION_SEVERAL")
    if not walk.described and walk.other_texts:
        walk.note("DESCRIPTION_CONCEPT")
    if walk.broken:
        walk.note("REF_BROKEN", walk.broken)
    return Content(
        references=tuple(walk.references),
        nested_references=tuple(walk.nested),
        modifiers=tuple(walk.modifiers),
        descriptions=tuple(walk.described or walk.other_texts),
        language=walk.languages[0] if walk.languages else "",
        observers=tuple(_observers(walk.observers)),
        procedure_codes=tuple(walk.procedures),
        broken=walk.broken,
        findings=list(walk.noted.values()),
    )


def _read_item(item: DataSet, walk: _Walk, *, at_root: bool) -> None:
    if tags.REFERENCED_CONTENT_ITEM_IDENTIFIER in item:
        walk.note("BY_REFERENCE")
        return
    if not item.text(tags.RELATIONSHIP_TYPE):
        walk.note("RELATIONSHIP_MISSING")
    value_type = item.text(tags.VALUE_TYPE) or ""
    if value_type in _REFERENCES:
        _read_reference(item, value_type, walk, at_root=at_root)
    elif not at_root or value_type == "CONTAINER":
        return
    elif value_type in ("TEXT", "CODE", "PNAME", "UIDREF"):
        _read_value(item, value_type, walk)
    else:
        walk.note("ITEM_IGNORED", value_type or "none")


def _read_reference(item: DataSet, value_type: str, walk: _Walk, *, at_root: bool) -> None:
    if item.items(tags.CONCEPT_NAME_CODE_SEQUENCE):
        walk.note("PURPOSE_OF_REFERENCE")
    referenced = next(iter(item.items(tags.REFERENCED_SOP_SEQUENCE)), None)
    uid = (referenced.text(tags.REFERENCED_SOP_INSTANCE_UID) or "") if referenced else ""
    if referenced is None or not uids.is_tolerable(uid):
        walk.broken += 1
        return
    reference = read_sop_reference(referenced, uid, walk)
    if not reference.sop_class_uid:
        walk.note("REF_CLASS_MISSING")
    elif (value_type == "IMAGE") != sop_classes.is_image(reference.sop_class_uid):
        walk.note("VALUE_TYPE_MISMATCH")
    (walk.references if at_root else walk.nested).append(reference)


def read_sop_reference(referenced: DataSet, uid: str, walk: _Walk | None = None) -> ReadReference:
    """An item of Referenced SOP Sequence; frames that cannot exist are left out."""
    class_uid = referenced.text(tags.REFERENCED_SOP_CLASS_UID) or ""
    reference = ReadReference(uid, class_uid)
    if len(referenced) <= 2:
        return reference
    frames = referenced.integers(tags.REFERENCED_FRAME_NUMBER)
    usable = tuple(number for number in frames if number >= 1)
    if walk is not None and len(usable) < len(frames):
        walk.note("FRAME_INVALID")
    if walk is not None and frames and class_uid and not sop_classes.is_multiframe_capable(class_uid):
        walk.note("FRAMES_ON_SINGLE_FRAME")
        usable = ()
    states = referenced.items(tags.REFERENCED_SOP_SEQUENCE)
    maps = referenced.items(tags.REFERENCED_REAL_WORLD_VALUE_MAPPING_INSTANCE_SEQUENCE)
    return replace(
        reference,
        frames=usable,
        segments=referenced.integers(tags.REFERENCED_SEGMENT_NUMBER),
        waveform_channels=referenced.integers(tags.REFERENCED_WAVEFORM_CHANNELS),
        presentation_state_uid=(states[0].text(tags.REFERENCED_SOP_INSTANCE_UID) or "") if states else "",
        presentation_state_class_uid=(states[0].text(tags.REFERENCED_SOP_CLASS_UID) or "") if states else "",
        value_map_uids=tuple(item.text(tags.REFERENCED_SOP_INSTANCE_UID) or "" for item in maps),
    )


def _read_value(item: DataSet, value_type: str, walk: _Walk) -> None:
    concept = next(iter(item.items(tags.CONCEPT_NAME_CODE_SEQUENCE)), None)
    name = (concept.text(tags.CODE_VALUE) or "") if concept else ""
    if value_type == "CODE":
        _read_coded(item, name, walk)
    elif value_type == "TEXT":
        text = item.text(tags.TEXT_VALUE) or ""
        if name in (_LOGIN, _DEVICE_NAME):
            _say(walk, name, text)
        elif not text.strip():
            walk.note("DESCRIPTION_EMPTY")
        else:
            (walk.described if name == _DESCRIPTION else walk.other_texts).append(text)
    elif value_type == "PNAME" and name in (_PERSON_NAME, ""):
        _say(walk, _PERSON_NAME, item.text(tags.PERSON_NAME) or "")
    elif value_type == "UIDREF" and name == _DEVICE_UID:
        _say(walk, name, item.text(tags.UID) or "")


def _read_coded(item: DataSet, name: str, walk: _Walk) -> None:
    code = read_code(next(iter(item.items(tags.CONCEPT_CODE_SEQUENCE)), None))
    if code is None:
        return
    if name == _TITLE_MODIFIER:
        walk.modifiers.append(code)
    elif name == _LANGUAGE:
        walk.languages.append(code.value)
    elif name == _PROCEDURE:
        walk.procedures.append(code)
    elif name == _OBSERVER_TYPE:
        walk.observers.append({name: code.value})


def _say(walk: _Walk, name: str, value: str) -> None:
    """Add to the observer being described; an attribute it has already begins another one (TID 1002)."""
    if not walk.observers or name in walk.observers[-1]:
        walk.observers.append({})
    walk.observers[-1][name] = value


def _observers(described: list[dict[str, str]]) -> list[Observer]:
    observers: list[Observer] = []
    for parts in described:
        try:
            if _DEVICE_UID in parts:
                observers.append(Device(parts[_DEVICE_UID], parts.get(_DEVICE_NAME, "")))
            elif _PERSON_NAME in parts:
                observers.append(Person(parts[_PERSON_NAME], parts.get(_LOGIN, "")))
        except InvalidKeyObjectError:
            continue
    return observers


def read_code(item: DataSet | None) -> Code | None:
    """An item of a code sequence; None where it has no value or scheme."""
    if item is None:
        return None
    value = item.text(tags.CODE_VALUE) or item.text(tags.LONG_CODE_VALUE) or item.text(tags.URN_CODE_VALUE)
    scheme = item.text(tags.CODING_SCHEME_DESIGNATOR)
    if not value or not scheme:
        return None
    return Code(value, scheme, item.text(tags.CODE_MEANING) or "")
