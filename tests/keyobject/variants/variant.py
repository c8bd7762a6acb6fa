"""What a variant is: how it is made of a good document, what is found in it, and what becomes of it in a product."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import pydicom
from pydicom.dataset import Dataset

from kinote.dicom.dictionary import transfer_syntaxes as syntaxes
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.keyobject.model import KeyObjectDocument, KeyObjectSelection, Reference
from kinote.keyobject.reader import read
from kinote.keyobject.reading import Reading
from kinote.keyobject.titles import OF_INTEREST
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import EXPLICIT, KEY_OBJECT, ULTRASOUND, instance, plain_context

#: Every UID of a variant begins with it, and the patient's ID ends in it. In a product where many are sent, other
#: digits of the same number take its place (`placed`).
STUDY = "1.2.3000"
SOP = f"{STUDY}.50.1"
PATIENT = f"P-{STUDY}"

Change = Callable[[Dataset], object]
Face = Literal["C-STORE", "STOW-RS", "import"]

FACES: tuple[Face, ...] = ("C-STORE", "STOW-RS", "import")


@dataclass(frozen=True, slots=True)
class Fate:
    """What a face makes of it. `status` is that of a refusal (PS3.4 B.2.3); `codes` what it finds besides."""

    kind: Literal["stored", "known", "held", "refused"] = "stored"
    status: int = 0
    codes: frozenset[str] = frozenset()


def everywhere(fate: Fate) -> Mapping[Face, Fate]:
    return dict.fromkeys(FACES, fate)


def refused(status: int) -> Mapping[Face, Fate]:
    return everywhere(Fate("refused", status))


def in_files(*codes: str) -> Mapping[Face, Fate]:
    """What comes as a file has these findings besides; over an association there is no file meta information."""
    found = Fate(codes=frozenset(codes))
    return {"C-STORE": Fate(), "STOW-RS": found, "import": found}


def nothing(dataset: Dataset) -> None:
    """A good document."""


def file_meta(syntax: str) -> bytes:
    return file_meta_bytes(KEY_OBJECT, SOP, syntax)


@dataclass(frozen=True, eq=False)
class Variant:
    """A row of the table.

    `codes` are the findings above `info` that the reader makes, all and no others; `references` is how many
    distinct references it reads; where `codes` has an error the document is unreadable.
    """

    id: str
    #: How it differs from the good document, as a data set and then as bytes; or all its bytes.
    change: Change = nothing
    rewritten: Callable[[bytes], bytes] = bytes
    written: Callable[[], bytes] | None = None
    codes: frozenset[str] = frozenset()
    infos: frozenset[str] = frozenset()
    references: int = 2
    #: The transfer syntax that it is in, and the one that it is said to be in.
    encoding: str = EXPLICIT
    declared: str = ""
    #: What stands before the data set in a file, by the declared transfer syntax.
    meta: Callable[[str], bytes] = file_meta
    #: What a sender says that it sends.
    sop_class: str = KEY_OBJECT
    #: Files that came before it, and instances that are withdrawn by then.
    before: tuple[bytes, ...] = ()
    withdrawn: tuple[str, ...] = ()
    #: What a product makes of it, by the face it comes to.
    fates: Mapping[Face, Fate] = field(default_factory=lambda: everywhere(Fate()))
    #: What the product says of its references in their order, and of frames where it lets some pass.
    statuses: tuple[str, ...] | None = None
    frames: tuple[tuple[int, ...], ...] | None = None
    #: When the product says that it was made; "" is when it came.
    created: str = "2026-11-24T06:30:00+01:00"
    #: Findings that only the index can make.
    noted: frozenset[str] = frozenset()
    #: Files that come after it, and what then is said of its references.
    after: tuple[bytes, ...] = ()
    statuses_after: tuple[str, ...] = ()
    #: Why the outcome is another than that of the reference table.
    why: str = ""

    @property
    def syntax(self) -> str:
        return self.declared or self.encoding

    def dataset(self) -> bytes:
        """Its data set as it is sent."""
        return self._deflated(_plain(self))

    def placed(self, number: int) -> bytes:
        """The same under UIDs and a patient of its own."""
        return self._deflated(placed(_plain(self), number))

    def file(self, number: int) -> bytes:
        return placed(self.meta(self.syntax), number) + self.placed(number)

    def reading(self) -> Reading:
        return read(self.dataset(), self.syntax)

    def _deflated(self, data: bytes) -> bytes:
        return deflated(data) if self.encoding == syntaxes.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else data


@cache
def _plain(row: Variant) -> bytes:
    """The bytes of a variant before it is deflated."""
    if row.written is not None:
        return row.written()
    dataset = good()
    row.change(dataset)
    return row.rewritten(encoded(dataset, row.encoding))


def variant(
    row: str, change: Change = nothing, *codes: str, infos: tuple[str, ...] = (), **more: Any
) -> Variant:
    """A row: what is left out is as with a good document."""
    return Variant(row, change, codes=frozenset(codes), infos=frozenset(infos), **more)


def placed(data: bytes, number: int) -> bytes:
    """What is made of `STUDY` as the n-th of many."""
    return data.replace(STUDY.encode(), placed_uid(STUDY, number).encode())


def placed_uid(uid: str, number: int) -> str:
    return uid.replace(STUDY, f"1.2.{3001 + number}")


def document(*references: Reference, uid: str = SOP, **selection: object) -> KeyObjectDocument:
    """A document of the study, as good as one can be."""
    context = plain_context(
        study_instance_uid=STUDY,
        series_instance_uid=uid.rpartition(".")[0],
        sop_instance_uid=uid,
        patient_id=PATIENT,
    )
    said: dict[str, object] = {"title": OF_INTEREST, "description": "A nodule", **selection}
    return KeyObjectDocument(context, KeyObjectSelection(references=references, **said))  # type: ignore[arg-type]


def good() -> Dataset:
    """The document that variants are made of: it flags an image, and two frames of another one."""
    image, frames = instance(1, study=STUDY), instance(2, ULTRASOUND, study=STUDY)
    made = document(Reference(image), Reference(frames, frames=(3, 7)))
    return pydicom.dcmread(io.BytesIO(encode_file(made)))


def encoded(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The data set alone, as pydicom writes it; not deflated."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        Dataset(dataset),
        implicit_vr=syntax == syntaxes.IMPLICIT_VR_LITTLE_ENDIAN,
        little_endian=syntax != syntaxes.EXPLICIT_VR_BIG_ENDIAN,
        force_encoding=True,
        enforce_file_format=False,
    )
    return buffer.getvalue()


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def changed(change: Change) -> Reading:
    """What is read of a document that is changed so."""
    return Variant("", change).reading()
