"""WADO-RS rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from kinote.decoding.frame_decoder import decode_frame
from kinote.decoding.frame_memory import frame_memory
from kinote.delivery.reports.presentations import read_presentation_state
from kinote.delivery.reports.words import numbers_text, patient_lines, written_date
from kinote.dicom.dictionary import sop_classes
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pictures import check_size, picture_pixels, render_frame
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.presenting.presentation_states import APPLIED, Presentation, images_of, presentation
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError
from kinote.keyobject.findings import found
from kinote.notes.lists.summary_facts import image_numbers, study_facts
from kinote.security.actors import Actor
from kinote.web.bodies.multipart_related import Part, multipart_body, new_boundary
from kinote.web.bodies.negotiation import accepted
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.warning_header import warning
from kinote.web.bodies.while_wanted import watched, while_wanted
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.document_page import document_page
from kinote.web.dicomweb.retrieving.frames import check_frame, frame_numbers
from kinote.web.dicomweb.retrieving.rendering import Rendering, rendering
from kinote.web.dicomweb.retrieving.resources import (
    CACHED,
    entity_tag,
    named_instance,
    named_objects,
    not_modified,
)
from kinote.web.problems import BadRequestError, NotAcceptableError, UnknownResourceError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import Rooms, rooms_of

_MULTIPART = "multipart/related"

#: The most images of a presentation state that are looked for.
_MOST_LOOKED_FOR = 100

#: Bytes that a pixel of a picture takes until it has gone out.
OF_PIXEL = 8


async def rendered(request: Request) -> Response:
    """Serve `GET …/instances/{instance}/rendered`: the first frame as a picture, a key object as a page."""
    item = await named_instance(request)
    if item.sop_class_uid == sop_classes.KEY_OBJECT_SELECTION:
        return await document_page(request, item)
    wanted = rendering(request)
    if item.sop_class_uid in APPLIED:
        shown, number = await _image_of_state(request, item)
        return await _picture(request, shown, number, replace(wanted, presentation_uid=item.sop_instance_uid))
    return await _picture(request, item, 1, wanted)


async def _image_of_state(request: Request, item: LiveObject) -> tuple[LiveObject, int]:
    """Return the first image of a presentation state that is here, with its frame."""
    rooms, by = rooms_of(request), actor_of(request)

    def find() -> tuple[LiveObject, int]:
        about = images_of(read_presentation_state(rooms.door, item, by))
        with rooms.catalog.read() as connection:
            for uid, number in about[:_MOST_LOOKED_FOR]:
                found = rooms.door.find_instance(connection, uid)
                if found is not None and found.pixel_rows:
                    return found, number
        raise PictureError("None of the images that the presentation state is about is here.")

    return await rooms.read(find)


async def rendered_objects(request: Request) -> Response:
    """Serve `GET …/rendered` of a study or a series: the first frame of each image, one part each.

    A single image is sent by itself if the client prefers that.
    """
    objects = await named_objects(request)
    images = [item for item in objects if item.pixel_rows]
    if not images:
        raise NotAcceptableError("There is no image in it to make a picture of.")
    ranges = accepted(request)
    parts = [
        wanted.part_type if wanted.subtype == "related" else wanted
        for wanted in ranges
        if wanted.takes(_MULTIPART)
    ]
    wanted = rendering(request, parts) if parts else None
    if wanted is None:
        wanted = rendering(request)
        if len(images) > 1:
            raise NotAcceptableError(
                f'There are {len(images)} images in it: accept {_MULTIPART}; type="{wanted.media_type}", '
                "or ask for one of them."
            )
        return await _picture(request, images[0], 1, wanted)
    rooms, addresses, boundary = rooms_of(request), Addresses(request), new_boundary()
    async with watched(request) as is_gone:
        pictures = _pictures(rooms, images, wanted, actor_of(request), is_gone, addresses)
        return await iterated(
            multipart_body(pictures, boundary),
            rooms.threads.decoded,
            media_type=f'{_MULTIPART}; type="{wanted.media_type}"; boundary={boundary}',
        )


def _pictures(
    rooms: Rooms,
    images: Sequence[LiveObject],
    wanted: Rendering,
    by: Actor,
    is_gone: Callable[[], bool],
    addresses: Addresses,
) -> Iterator[Part]:
    """Yield the pictures. Images that cannot be shown are left out, unless none can be."""
    failure: Exception | None = None
    is_empty = True
    for item in images:
        try:
            picture, _ = _rendered(rooms.door, item, 1, wanted, by, is_gone, _beside(rooms, item, 1, wanted))
        except (PictureError, NotLiveError, BytesUnavailableError) as error:
            failure = error
            continue
        is_empty = False
        head = ("Content-Type", wanted.media_type), ("Content-Location", f"{addresses.of(item)}/rendered")
        yield Part(head, (picture,))
    if is_empty and failure is not None:
        raise failure


async def rendered_frame(request: Request) -> Response:
    """Serve `GET …/frames/{frame}/rendered`: one frame."""
    number = _one_frame(request)
    return await _picture(request, await named_instance(request), number, rendering(request))


async def thumbnail(request: Request) -> Response:
    """Serve `GET …/thumbnail` of a study, series, instance or frame: a small picture that represents it."""
    number = _one_frame(request) if "frames" in request.path_params else 1
    wanted = rendering(request, thumbnail=True)
    objects = await named_objects(request)
    return await _picture(request, _representative(rooms_of(request).door, objects), number, wanted)


def _one_frame(request: Request) -> int:
    numbers = frame_numbers(request.path_params["frames"])
    if len(numbers) != 1:
        raise BadRequestError("Only one frame at a time goes out as a picture.")
    return numbers[0]


def _representative(door: Door, objects: Sequence[LiveObject]) -> LiveObject:
    """Return the image in the middle of the first series that has images."""
    images = [item for item in objects if item.pixel_rows]
    if not images:
        raise NotAcceptableError("There is no image in it to make a picture of.")
    first = [item for item in images if item.series_instance_uid == images[0].series_instance_uid]
    # One whose bytes are available, if there is any.
    first = [item for item in first if door.can_open(item)] or first
    return first[len(first) // 2]


async def _picture(request: Request, item: LiveObject, number: int, wanted: Rendering) -> Response:
    rooms = rooms_of(request)
    by = actor_of(request)
    with_it = await rooms.read(lambda: _beside(rooms, item, number, wanted))
    tag = entity_tag([item, *with_it.states], number, wanted, with_it.words)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    picture, remark = await while_wanted(
        request,
        lambda is_gone: _rendered(rooms.door, item, number, wanted, by, is_gone, with_it),
        rooms.threads.pictures,
    )
    headers = {"ETag": tag, "Cache-Control": CACHED}
    if remark:
        headers["Warning"] = warning(found("PICTURE_LABEL", detail=remark).text)
    return Response(picture, media_type=wanted.media_type, headers=headers)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is shown with an image: the presentation state, if there is one, and text for three corners."""

    states: tuple[LiveObject, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()


def _beside(rooms: Rooms, item: LiveObject, number: int, wanted: Rendering) -> _Beside:
    """Return what was requested with it. Raises `UnknownResourceError` for a state that is not here."""
    if not wanted.presentation_uid and not wanted.annotations:
        return _Beside()
    with rooms.catalog.read() as connection:
        state = (
            rooms.door.find_instance(connection, wanted.presentation_uid) if wanted.presentation_uid else None
        )
        facts = study_facts(connection, item.study_instance_uid)
        numbers = image_numbers(connection, [item.sop_instance_uid]).get(item.sop_instance_uid, (None, None))
    if wanted.presentation_uid and state is None:
        raise UnknownResourceError(f"presentationUID: there is no object {wanted.presentation_uid} here.")
    patient, study, technique = (), (), ()  # type: tuple[str, ...], tuple[str, ...], tuple[str, ...]
    if "patient" in wanted.annotations:
        patient = tuple(value for _, value in patient_lines(facts))
        study = tuple(filter(None, (written_date(facts.study_date), facts.description)))
    if "technique" in wanted.annotations:
        frame = number if (item.frames or 1) > 1 else 0
        technique = (
            ", ".join(numbers_text(numbers, frame)),
            f"{item.pixel_columns} x {item.pixel_rows} pixels",
        )
    words = (patient, study, technique)
    return _Beside((state,) if state else (), words if any(words) else ())


def _rendered(
    door: Door,
    item: LiveObject,
    number: int,
    wanted: Rendering,
    by: Actor,
    is_gone: Callable[[], bool],
    with_it: _Beside = _Beside(),
) -> tuple[bytes, str]:
    """Return a picture, and how its frame deviates from its label."""
    state = None
    for each in with_it.states:
        header = read_presentation_state(door, each, by)
        state = presentation(header, each.transfer_syntax_uid, item.sop_instance_uid, number)
    stored = door.open(item, by)
    return picture_of(stored, item.transfer_syntax_uid, number, wanted, is_gone, state, with_it.words)


def picture_of(
    stored: DataSet,
    transfer_syntax_uid: str,
    number: int,
    wanted: Rendering,
    is_gone: Callable[[], bool],
    state: Presentation | None = None,
    words: tuple[tuple[str, ...], ...] = (),
) -> tuple[bytes, str]:
    """Return a picture of a frame of a data set, which is closed, and how the frame deviates from its label."""
    with stored.file as file, open_frames(file, transfer_syntax_uid) as opened:
        check_frame(opened, number)
        check_size(opened)
        with frame_memory(opened, number, OF_PIXEL * picture_pixels(opened, wanted.viewport)):
            samples = decode_frame(opened, number, is_cancelled=is_gone)
            picture = render_frame(
                opened,
                number,
                samples,
                window=wanted.window,
                overlays=wanted.overlays,
                viewport=wanted.viewport,
                format=wanted.format,
                quality=wanted.quality,
                state=state,
                words=words,
            )
    return picture, samples.remark
