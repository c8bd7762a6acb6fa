"""Reads the content tree of a key object (PS3.16 TID 2010), tolerantly."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.elements.dataset import DataSet, Items
from kinote.dicom.values import uids
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.coded import (
    plain,
    read_code_sequence,
    read_numbers,
    read_person_name,
    read_plain,
    read_text,
    read_uid,
)
from kinote.keyobject.readers.element_cache import ElementCache
from kinote.keyobject.readers.evidence import Evidence
from kinote.keyobject.readers.item_cache import ItemCache, Run
from kinote.keyobject.reading import BrokenReference, FoundInstance, ReadReference
from kinote.keyobject.values import concepts

#: Deeper content does not belong to a key object: TID 2010 needs two levels, an image library four.
MAX_DEPTH = 16

#: A document with more references is not read.
MAX_REFERENCES = 100_000

_REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})

#: The attributes of a simple reference: the referenced instance, relationship, value type.
_PLAIN = 3

#: Items with the relationship HAS OBS CONTEXT (TID 1002 to 1005) are left to the observers, known or not.
_CONTEXT_RELATIONSHIPS = frozenset({"HAS OBS CONTEXT", "HAS ACQ CONTEXT"})


class TooDeepContentError(ValueError):
    """The content is nested deeper than `MAX_DEPTH`."""


class TooManyReferencesError(ValueError):
    """There are more references than `MAX_REFERENCES`."""


@dataclass(frozen=True, slots=True)
class ObserverItem:
    """A content item of observer context: its concept, and its value as text or code."""

    concept: Code
    text: str = ""
    code: Code | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text, *self.concept.texts, *(self.code.texts if self.code else ()))


@dataclass(slots=True)
class Content:
    """The content tree, in its order."""

    root_references: list[ReadReference] = field(default_factory=list)
    nested_references: list[ReadReference] = field(default_factory=list)
    #: Presentation states and value maps that references name. The evidence lists these as well.
    applied: set[str] = field(default_factory=set)
    broken: list[BrokenReference] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    modifiers: list[Code] = field(default_factory=list)
    procedure_codes: list[Code] = field(default_factory=list)
    language: Code | None = None
    observer_items: list[ObserverItem] = field(default_factory=list)


def read_content(root: DataSet, evidence: Evidence, findings: Findings) -> Content:
    """Read the whole content tree. Raises `TooDeepContentError` and `TooManyReferencesError`."""
    reader = _Reader(evidence, findings)
    reader.read(root)
    return reader.content


class _Level:
    """A content sequence, with the items that have not been read yet and the prefix of their places."""

    __slots__ = ("is_root", "items", "prefix", "runs")

    def __init__(self, items: Items, prefix: str, *, is_root: bool) -> None:
        self.items = items
        self.prefix = prefix
        self.is_root = is_root
        self.runs = _SIMPLE_REFERENCES.runs(items)


class _Reader:
    def __init__(self, evidence: Evidence, findings: Findings) -> None:
        self.content = Content()
        self._evidence = evidence.instances
        self._by_value = evidence.by_value
        self._findings = findings
        self._count = 0
        #: The number of findings before the current item.
        self._noted = 0

    def read(self, root: DataSet) -> None:
        """Read depth first, in document order. The stack is explicit, so that depth needs no recursion."""
        levels = [_Level(root.sequence(tags.CONTENT_SEQUENCE), "", is_root=True)]
        while levels:
            below = self._read_level(levels[-1])
            if below is None:
                levels.pop()
            elif len(levels) == MAX_DEPTH and below.items.next_from(below.items.start) is not None:
                raise TooDeepContentError
            else:
                levels.append(below)

    def _read_level(self, level: _Level) -> _Level | None:
        """Read items up to one that has items below it, and return these; None at the end."""
        for run in level.runs:
            if run.value is not None:
                self._take_alike(level, run, *run.value)
            elif not (level.is_root and self._is_known_observer(level.items, run)):
                below = self._read(level, run, 0)
                if below is not None:
                    return below
        return None

    def _read(self, level: _Level, run: Run[tuple[str, str]], nth: int) -> _Level | None:
        """Read a single item of a run, and return the items below it."""
        item = level.items.at(run.place(nth))
        place = f"{level.prefix}ContentSequence[{run.first + nth + 1}]"
        self._noted = len(self._findings)
        self._read_item(item, place, is_root=level.is_root)
        if tags.CONTENT_SEQUENCE not in item:
            return None
        return _Level(item.sequence(tags.CONTENT_SEQUENCE), place + ".", is_root=False)

    def _is_known_observer(self, items: Items, run: Run[tuple[str, str]]) -> bool:
        """Use the cached value of an item of observer context, and return whether there was one."""
        start, stop = run.place(0)
        observed = _OBSERVED.value_of(items.kept[start:stop], items.encoding)
        if observed is None:
            return False
        self.content.observer_items.append(observed)
        return True

    def _nothing_is_off(self) -> bool:
        """Return whether the current item has no findings."""
        return len(self._findings) == self._noted

    def _read_item(self, item: DataSet, place: str, *, is_root: bool) -> None:
        if tags.REFERENCED_CONTENT_ITEM_IDENTIFIER in item:
            self._findings.add("BY_REFERENCE", place)
            return
        relationship = read_plain(item, tags.RELATIONSHIP_TYPE)
        if not relationship:
            self._findings.add("RELATIONSHIP_MISSING", place)
        value_type = read_plain(item, tags.VALUE_TYPE)
        if not value_type:
            value_type = self._missing_value_type(item, place)
        if value_type in _REFERENCES:
            self._read_reference(item, value_type, place, is_root=is_root)
        elif value_type == "CONTAINER" or not is_root:
            # What an image library says about its entries does not belong to the note.
            return
        elif value_type in ("TEXT", "CODE", "PNAME", "UIDREF"):
            self._read_value(item, value_type, relationship, place)
        else:
            self._findings.add("ITEM_IGNORED", place, value_type or "without value type")

    def _missing_value_type(self, item: DataSet, place: str) -> str:
        """Infer the value type from the value. Senders that omit it write simple items."""
        self._findings.add("VALUE_TYPE_MISSING", place)
        for tag, value_type in (
            (tags.REFERENCED_SOP_SEQUENCE, "COMPOSITE"),
            (tags.TEXT_VALUE, "TEXT"),
            (tags.CONCEPT_CODE_SEQUENCE, "CODE"),
            (tags.CONTENT_SEQUENCE, "CONTAINER"),
        ):
            if tag in item:
                return value_type
        return ""

    # --- values ---------------------------------------------------------------------------------

    def _read_value(self, item: DataSet, value_type: str, relationship: str, place: str) -> None:
        concept = self._concept(item, place)
        self._check_representations(item, value_type, place)
        if value_type == "TEXT" and relationship in ("CONTAINS", ""):
            self._read_text_item(item, concept, place)
        elif value_type == "CODE" and concept in _MEANT_BY_CODE:
            self._read_modifier(item, concept, place)
        elif concept is not None and (relationship in _CONTEXT_RELATIONSHIPS or concept in _OBSERVERS):
            self._read_context(item, value_type, concept, place)
        else:
            self._findings.add("ITEM_IGNORED", place, f"{value_type} {concept or 'without concept'}")

    def _concept(self, item: DataSet, place: str) -> Code | None:
        return read_code_sequence(item, tags.CONCEPT_NAME_CODE_SEQUENCE, place, self._findings)

    def _check_representations(self, item: DataSet, value_type: str, place: str) -> None:
        for tag, vr, name in (_CONCEPT_NAME, _VALUES[value_type]):
            if item.sent_vr(tag) not in ("", vr):
                self._findings.add("VR_UNEXPECTED", place, name)

    def _read_text_item(self, item: DataSet, concept: Code | None, place: str) -> None:
        text = read_text(item, tags.TEXT_VALUE, place, self._findings)
        if concept == concepts.PERSON_OBSERVER_LOGIN_NAME or concept == concepts.DEVICE_OBSERVER_NAME:
            self._read_context(item, "TEXT", concept, place)
            return
        if not text.strip():
            self._findings.add("DESCRIPTION_EMPTY", place)
            return
        self.content.texts.append(text)
        if concept == concepts.KEY_OBJECT_DESCRIPTION:
            self.content.descriptions.append(text)
        else:
            self._findings.add("DESCRIPTION_CONCEPT", place, str(concept or "none"))

    def _read_modifier(self, item: DataSet, concept: Code | None, place: str) -> None:
        code = self._code_value(item, place)
        if code is None:
            return
        if concept == concepts.DOCUMENT_TITLE_MODIFIER:
            self.content.modifiers.append(code)
        elif concept == concepts.PROCEDURE_CODE:
            self.content.procedure_codes.append(code)
        elif self.content.language is None:
            self.content.language = code

    def _code_value(self, item: DataSet, place: str) -> Code | None:
        code = read_code_sequence(item, tags.CONCEPT_CODE_SEQUENCE, place, self._findings)
        if code is None and not item.items(tags.CONCEPT_CODE_SEQUENCE):
            self._findings.add("CODE_INCOMPLETE", place, "empty")
        return code

    def _read_context(self, item: DataSet, value_type: str, concept: Code, place: str) -> None:
        if concept not in _OBSERVERS:
            return
        if value_type == "CODE":
            observed = ObserverItem(concept, code=self._code_value(item, place))
        elif value_type == "PNAME":
            name = read_person_name(item, tags.PERSON_NAME, place, self._findings)
            observed = ObserverItem(concept, name)
        elif value_type == "UIDREF":
            observed = ObserverItem(concept, read_plain(item, tags.UID))
        else:
            observed = ObserverItem(concept, read_text(item, tags.TEXT_VALUE, place, self._findings))
        self.content.observer_items.append(observed)
        if self._nothing_is_off() and tags.CONTENT_SEQUENCE not in item:
            _OBSERVED.remember(item.sent, item.encoding, observed, *observed.texts)

    # --- references -----------------------------------------------------------------------------

    def _take_alike(self, level: _Level, run: Run[tuple[str, str]], value_type: str, class_uid: str) -> None:
        """Take a run of simple references. One that may need a finding is read by itself."""
        keep = (self.content.root_references if level.is_root else self.content.nested_references).append
        for nth, value in enumerate(run.uids):
            instance = self._by_value.get(value) or self._named(value, class_uid)
            if instance is None or instance.sop_class_uid != class_uid:
                self._read(level, run, nth)
                continue
            self._count += 1
            if self._count > MAX_REFERENCES:
                raise TooManyReferencesError
            keep(ReadReference(instance, value_type))

    def _named(self, uid_value: bytes, class_uid: str) -> FoundInstance | None:
        """Return the instance of a UID that the evidence may lack; None if the UID is invalid."""
        uid = plain(uid_value)
        if not uids.is_valid(uid):
            return None
        return self._evidence.get(uid) or FoundInstance("", "", class_uid, uid)

    def _read_reference(self, item: DataSet, value_type: str, place: str, *, is_root: bool) -> None:
        self._count += 1
        if self._count > MAX_REFERENCES:
            raise TooManyReferencesError
        if is_root and tags.CONCEPT_NAME_CODE_SEQUENCE in item:
            self._findings.add("PURPOSE_OF_REFERENCE", place)
        referenced = item.items(tags.REFERENCED_SOP_SEQUENCE)
        uid = read_uid(referenced[0], tags.REFERENCED_SOP_INSTANCE_UID) if referenced else ""
        if not uids.is_valid(uid):
            if not uids.is_tolerable(uid):
                self.content.broken.append(BrokenReference(place, uid))
                self._findings.add("REF_BROKEN", place, repr(uid[:80]))
                return
            self._findings.add("REF_UID_MALFORMED", place, uid)
        sop = referenced[0]
        instance = self._instance(sop, uid, place)
        self._check_value_type(value_type, instance.sop_class_uid, place)
        if len(sop) > 2:
            self._keep(self._detailed(sop, instance, value_type, place), is_root=is_root)
            return
        self._keep(ReadReference(instance, value_type), is_root=is_root)
        is_plain = len(item) == _PLAIN and len(referenced) == 1 and tags.RELATIONSHIP_TYPE in item
        if is_plain and self._nothing_is_off():
            said = (value_type, instance.sop_class_uid)
            uid_value = sop.raw(tags.REFERENCED_SOP_INSTANCE_UID)
            _SIMPLE_REFERENCES.learn(item.sent_whole, item.encoding, uid_value, said)

    def _keep(self, reference: ReadReference, *, is_root: bool) -> None:
        (self.content.root_references if is_root else self.content.nested_references).append(reference)

    def _instance(self, sop: DataSet, uid: str, place: str) -> FoundInstance:
        """Return an instance: its place from the evidence, its class from the content."""
        class_uid = read_plain(sop, tags.REFERENCED_SOP_CLASS_UID)
        if not uids.is_tolerable(class_uid):
            self._findings.add("REF_CLASS_MISSING", place, uid)
            return self._evidence.get(uid) or FoundInstance("", "", "", uid)
        return self._located(uid, class_uid, place)

    def _located(self, uid: str, class_uid: str, place: str) -> FoundInstance:
        known = self._evidence.get(uid)
        if known is None:
            return FoundInstance("", "", class_uid, uid)
        if known.sop_class_uid == class_uid:
            return known
        if known.sop_class_uid:
            self._findings.add("REF_CLASS_MISMATCH", place, uid)
        return FoundInstance(known.study_instance_uid, known.series_instance_uid, class_uid, uid)

    def _check_value_type(self, value_type: str, class_uid: str, place: str) -> None:
        if value_type == "IMAGE" and _is_no_image(class_uid):
            self._findings.add("PRESENTATION_AS_IMAGE", place, sop_classes.name(class_uid))
        elif value_type == "COMPOSITE" and class_uid and sop_classes.is_image(class_uid):
            self._findings.add("COMPOSITE_FOR_IMAGE", place)

    def _detailed(self, sop: DataSet, instance: FoundInstance, value_type: str, place: str) -> ReadReference:
        """Read a reference that has more than the instance."""
        frames = read_numbers(sop, tags.REFERENCED_FRAME_NUMBER, place, self._findings)
        if frames and sop_classes.has_one_frame(instance.sop_class_uid):
            self._findings.add("FRAMES_ON_SINGLE_FRAME", place, instance.sop_instance_uid)
            frames = ()
        states = self._applied(sop, tags.REFERENCED_SOP_SEQUENCE, place)
        return ReadReference(
            instance,
            value_type,
            frames=frames,
            segments=read_numbers(sop, tags.REFERENCED_SEGMENT_NUMBER, place, self._findings),
            waveform_channels=sop.integers(tags.REFERENCED_WAVEFORM_CHANNELS),
            presentation_state=states[0] if states else None,
            real_world_value_maps=self._applied(
                sop, tags.REFERENCED_REAL_WORLD_VALUE_MAPPING_INSTANCE_SEQUENCE, place
            ),
        )

    def _applied(self, sop: DataSet, tag: int, place: str) -> tuple[FoundInstance, ...]:
        """Return the presentation states or value maps to apply to the instance."""
        applied = []
        for item in sop.items(tag):
            uid = read_uid(item, tags.REFERENCED_SOP_INSTANCE_UID)
            if not uids.is_tolerable(uid):
                self._findings.add("REF_BROKEN", place, repr(uid[:80]))
                continue
            applied.append(self._instance(item, uid, place))
            self.content.applied.add(uid)
        if len(applied) > 1:
            self._findings.add("APPLIED_SEVERAL", place)
        return tuple(applied)


def _is_no_image(class_uid: str) -> bool:
    """Return whether a class is known not to be an image class. An unknown class may be one."""
    return (
        sop_classes.is_presentation_state(class_uid)
        or sop_classes.is_waveform(class_uid)
        or class_uid == sop_classes.KEY_OBJECT_SELECTION
    )


#: Value type and SOP class of references that have nothing else.
_SIMPLE_REFERENCES: ItemCache[tuple[str, str]] = ItemCache()

#: Observers by the bytes of their item: few people and devices make many documents.
_OBSERVED: ElementCache[ObserverItem] = ElementCache()

_OBSERVERS = frozenset(
    {
        concepts.OBSERVER_TYPE,
        concepts.PERSON_OBSERVER_NAME,
        concepts.PERSON_OBSERVER_LOGIN_NAME,
        concepts.DEVICE_OBSERVER_UID,
        concepts.DEVICE_OBSERVER_NAME,
    }
)
_MEANT_BY_CODE = frozenset({concepts.DOCUMENT_TITLE_MODIFIER, concepts.PROCEDURE_CODE, concepts.LANGUAGE})
_CONCEPT_NAME = (tags.CONCEPT_NAME_CODE_SEQUENCE, "SQ", "Concept Name Code Sequence")
_VALUES = {
    "TEXT": (tags.TEXT_VALUE, "UT", "Text Value"),
    "CODE": (tags.CONCEPT_CODE_SEQUENCE, "SQ", "Concept Code Sequence"),
    "PNAME": (tags.PERSON_NAME, "PN", "Person Name"),
    "UIDREF": (tags.UID, "UI", "UID"),
}
