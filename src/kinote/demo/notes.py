"""The notes of the demo studies."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.demo import identity
from kinote.keyobject.codes import Code, dcm


@dataclass(frozen=True, slots=True)
class DemoReference:
    """A flagged image. `frames` count from 1; none given means all."""

    sop_instance_uid: str
    frames: tuple[int, ...] = ()
    presentation_state_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoNote:
    """A note to make. `language` is an RFC 5646 tag; `author_name` is a value of VR PN."""

    study_instance_uid: str
    title: Code
    description: str
    language: str
    author_name: str
    author_login: str
    references: tuple[DemoReference, ...]
    modifiers: tuple[Code, ...] = ()


def _slices(study: identity.Study, series: int, *numbers: int) -> tuple[DemoReference, ...]:
    return tuple(DemoReference(study.instance_uid(series, number)) for number in numbers)


_MARKED = DemoReference(
    identity.CHEST_CT.instance_uid(2, identity.NODULE_SLICE),
    presentation_state_uid=identity.CHEST_CT.instance_uid(identity.MARKS_SERIES, 1),
)

DEMO_NOTES = (
    DemoNote(
        study_instance_uid=identity.CHEST_CT.uid,
        title=dcm("113002", "For Referring Provider"),
        description="Spiculated nodule of 18 mm in the right upper lobe, marked.",
        language="en",
        author_name="Reader^Robin",
        author_login="robin.reader",
        references=(_MARKED,),
    ),
    DemoNote(
        study_instance_uid=identity.CHEST_CT.uid,
        title=dcm("113005", "For Conference"),
        description="Growth within seven months: 9 mm in February, 18 mm now. Tumour board on Thursday.",
        language="en",
        author_name="Reader^Robin",
        author_login="robin.reader",
        references=(
            *_slices(identity.CHEST_CT, 2, identity.NODULE_SLICE - 1, identity.NODULE_SLICE),
            *_slices(identity.EARLIER_CHEST_CT, 2, identity.EARLIER_NODULE_SLICE),
        ),
    ),
    DemoNote(
        study_instance_uid=identity.RADIOGRAPH.uid,
        title=dcm("113000", "Of Interest"),
        description="Faint shadow over the right upper field; CT advised.",
        language="en",
        author_name="Registrar^Rosa",
        author_login="rosa.registrar",
        references=_slices(identity.RADIOGRAPH, 1, 1),
    ),
    DemoNote(
        study_instance_uid=identity.HEAD_MR.uid,
        title=dcm("113000", "Of Interest"),
        description="左前頭葉の白質に T2 高信号の病変を認めます。経過観察をお願いします。",
        language="ja",
        author_name="Yamada^Taro=山田^太郎=やまだ^たろう",
        author_login="taro.yamada",
        references=_slices(identity.HEAD_MR, 2, *identity.LESION_SLICES),
    ),
    DemoNote(
        study_instance_uid=identity.HEAD_MR.uid,
        title=dcm("113004", "For Teaching"),
        description="The same lesion, dark in T1 and bright in T2.",
        language="en",
        author_name="Reader^Robin",
        author_login="robin.reader",
        references=(
            *_slices(identity.HEAD_MR, 1, identity.LESION_SLICES[0]),
            *_slices(identity.HEAD_MR, 2, identity.LESION_SLICES[0]),
        ),
    ),
    DemoNote(
        study_instance_uid=identity.LIVER_US.uid,
        title=dcm("113007", "For Patient"),
        description="Größenkonstantes, echoreiches Hämangiom; keine Kontrolle nötig.",
        language="de",
        author_name="Müller^Änne^^Dr.",
        author_login="aenne.mueller",
        references=(DemoReference(identity.LIVER_US.instance_uid(1, 1), frames=(1, 8, 23)),),
    ),
)
