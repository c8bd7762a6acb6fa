"""The body that makes or revises a note. It is strict, so that a misspelt field is reported and not ignored."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kinote.keyobject.codes import Code
from kinote.notes.acts.request import NoteRequest, RequestedReference
from kinote.notes.author import Author
from kinote.notes.presentations.view import Area, View, Window

_STRICT = ConfigDict(extra="forbid", strict=True)


class CodeBody(BaseModel):
    """A code. Scheme and value decide; a missing meaning is looked up."""

    model_config = _STRICT

    scheme: str = Field(min_length=1, description="Coding Scheme Designator, e.g. `DCM`.", examples=["DCM"])
    value: str = Field(min_length=1, description="Code Value, e.g. `113000`.", examples=["113000"])
    meaning: str | None = Field(None, description="Code Meaning; needed for codes Kinote does not know.")

    def code(self) -> Code:
        return Code(self.value, self.scheme, self.meaning or "")


class AuthorBody(BaseModel):
    """The author of the note according to the client, unverified."""

    model_config = _STRICT

    kind: Literal["person", "device"] = "person"
    name: str = Field(default="", description="`Family^Given` or plain.", examples=["Roentgen^Wilhelm"])
    login: str = ""


class WindowBody(BaseModel):
    """The window, in units of the Modality LUT's output (function LINEAR)."""

    model_config = _STRICT

    center: float = Field(allow_inf_nan=False, examples=[-600])
    width: float = Field(allow_inf_nan=False, examples=[1500])


class AreaBody(BaseModel):
    """The part of the image that is shown: first and last column and row, from 1, before rotation and flip."""

    model_config = _STRICT

    left: int
    upper: int
    right: int
    lower: int


class PresentationBody(BaseModel):
    """How the image is shown. A presentation state that says so is made with the note."""

    model_config = _STRICT

    window: WindowBody | None = Field(None, description="None: the image's own window.")
    inverted: bool = Field(False, description="Against how the image asks to be shown.")
    rotation: int = Field(0, description="0, 90, 180 or 270 degrees, clockwise.")
    flipped: bool = Field(False, description="Left and right are exchanged, after the rotation.")
    overlays: bool = Field(True, description="Whether the image's overlay planes are shown.")
    area: AreaBody | None = Field(None, description="None: the whole image.")

    def view(self) -> View:
        window, area = self.window, self.area
        return View(
            window=Window(window.center, window.width) if window else None,
            inverted=self.inverted,
            rotation=self.rotation,
            flipped=self.flipped,
            overlays=self.overlays,
            area=Area(area.left, area.upper, area.right, area.lower) if area else None,
        )


class ReferenceBody(BaseModel):
    """An instance to flag. Study and series are looked up; if given, they must be right."""

    model_config = _STRICT

    sop_instance_uid: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frames: list[int] | None = Field(None, description="Frame numbers from 1; none: the whole image.")
    segments: list[int] | None = Field(None, description="Segment numbers from 1; none: all of them.")
    presentation_state_uid: str | None = Field(
        None, description="SOP Instance UID of the presentation state to apply."
    )
    presentation: PresentationBody | None = Field(
        None, description="How the image is shown, where no presentation state says it yet."
    )

    def reference(self) -> RequestedReference:
        return RequestedReference(
            sop_instance_uid=self.sop_instance_uid,
            study_instance_uid=self.study_instance_uid or None,
            series_instance_uid=self.series_instance_uid or None,
            frames=tuple(self.frames or ()),
            segments=tuple(self.segments or ()),
            presentation_state_uid=self.presentation_state_uid or None,
            presentation=self.presentation.view() if self.presentation else None,
        )


class NoteBody(BaseModel):
    """A Key Image Note to make, or the next version of one."""

    model_config = _STRICT

    title: CodeBody
    references: list[ReferenceBody] = Field(description="What the note flags, in order.")
    modifiers: list[CodeBody] = Field([], description="Document Title Modifiers.")
    description: str | None = Field("", description="Key Object Description, in any script.")
    language: str | None = Field("", description="Language of the text (RFC 5646), e.g. `ja`.")
    author: AuthorBody | None = None

    def request(self) -> NoteRequest:
        author = self.author
        return NoteRequest(
            title=self.title.code(),
            references=tuple(reference.reference() for reference in self.references),
            modifiers=tuple(modifier.code() for modifier in self.modifiers),
            description=self.description or "",
            language=self.language or "",
            author=Author(kind=author.kind, name=author.name, login=author.login) if author else None,
        )
