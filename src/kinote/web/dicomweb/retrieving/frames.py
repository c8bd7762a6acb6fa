"""WADO-RS frames (PS3.18 10.4.1.1.6): stored bytes, or decoded to plain samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from kinote.decoding.frame_decoder import decode_frame
from kinote.decoding.frame_memory import frame_memory
from kinote.dicom.dictionary.transfer_syntaxes import DEFLATED_IMAGE_FRAME
from kinote.dicom.pixels.frames import Frames, open_frames
from kinote.dicom.pixels.inflated_frames import inflated_frame
from kinote.dicom.pixels.labelled import as_label_says
from kinote.dicom.pixels.stored_words import packed, stored_words
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.security.actors import Actor
from kinote.web.bodies.multipart_related import Part, multipart_body, new_boundary
from kinote.web.bodies.negotiation import MediaType, accepted
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.while_wanted import watched
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.retrieving.frame_media import FrameForm, frame_form
from kinote.web.dicomweb.retrieving.resources import CACHED, entity_tag, named_instance, not_modified
from kinote.web.problems import BadRequestError, NotAcceptableError, UnknownResourceError
from kinote.web.requests.actor import actor_of
from kinote.web.rooms import rooms_of

_MULTIPART = "multipart/related"


async def frames(request: Request) -> Response:
    """Serve `GET …/frames/{frames}`, e.g. `/frames/1,3,7`."""
    numbers = frame_numbers(request.path_params["frames"])
    item = await named_instance(request)
    form, alone = _form(item, accepted(request), single=len(numbers) == 1)
    tag = entity_tag([item], form, alone, numbers)
    unchanged = not_modified(request, tag)
    if unchanged is not None:
        return unchanged
    rooms = rooms_of(request)
    async with watched(request) as is_gone:
        contents = _contents(rooms.door, item, numbers, form, actor_of(request), is_gone)
        boundary, place = new_boundary(), Addresses(request).of(item)
        if alone:
            body, media_type = contents, form.content_type
        else:
            body = multipart_body(
                _parts(contents, form, [f"{place}/frames/{number}" for number in numbers]), boundary
            )
            media_type = f'{_MULTIPART}; type="{form.media_type}"; boundary={boundary}'
        return await iterated(
            body,
            rooms.threads.decoded if form.decoded else rooms.threads.streams,
            media_type=media_type,
            headers={"ETag": tag, "Cache-Control": CACHED},
        )


def frame_numbers(text: str) -> list[int]:
    """Return the numbers of a frame list, in the order requested."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part[:10]) > 0 for part in parts):
        raise BadRequestError(f"{text[:80]!r} is no list of frame numbers, which begin with 1, e.g. 1,3,7.")
    return [int(part[:10]) for part in parts]


def check_frame(opened: Frames, number: int) -> None:
    """Raise `UnknownResourceError` if the object has no frame of this number."""
    if number > opened.count:
        raise UnknownResourceError(f"There is no frame {number}; the instance has {opened.count}.")


def _form(item: LiveObject, ranges: Sequence[MediaType], *, single: bool) -> tuple[FrameForm, bool]:
    """Return the form of the frames, and whether a single frame is sent by itself."""
    parts = [
        wanted.part_type if wanted.subtype == "related" else wanted
        for wanted in ranges
        if wanted.takes(_MULTIPART)
    ]
    form = frame_form(item.transfer_syntax_uid, parts)
    if form is not None:
        return form, False
    if single:
        form = frame_form(
            item.transfer_syntax_uid, [wanted for wanted in ranges if wanted.type != "multipart"]
        )
        if form is not None:
            return form, True
    raise NotAcceptableError(
        "The frames are not available in a media type and transfer syntax asked for; multipart/related takes "
        "them as they are stored."
    )


def _contents(
    door: Door,
    item: LiveObject,
    numbers: Sequence[int],
    form: FrameForm,
    by: Actor,
    is_gone: Callable[[], bool],
) -> Iterator[bytes]:
    with door.open(item, by).file as file, open_frames(file, item.transfer_syntax_uid) as opened:
        for number in numbers:
            check_frame(opened, number)
        for number in numbers:
            with frame_memory(opened, number):
                yield _native(opened, number, is_gone) if form.decoded else opened.read(number)


def _parts(contents: Iterator[bytes], form: FrameForm, places: Sequence[str]) -> Iterator[Part]:
    for content, place in zip(contents, places, strict=True):
        yield Part((("Content-Type", form.content_type), ("Content-Location", place)), (content,))


def _native(opened: Frames, number: int, is_gone: Callable[[], bool]) -> bytes:
    """Return a compressed frame as native pixel data, in the form that the metadata describe."""
    form = opened.format
    is_deflated = opened.transfer_syntax.uid == DEFLATED_IMAGE_FRAME
    if is_deflated and form.is_halved:
        data = inflated_frame(opened.read(number), form, number)
        native = form.of_length(len(data))
        if native.is_halved and 8 * len(data) >= native.native_frame_bits:
            # Already in the form of its label.
            return data[: native.native_frame_bits // 8]
    samples = decode_frame(opened, number, as_labelled=True, is_cancelled=is_gone)
    words = stored_words(samples, form)
    if form.bits_allocated == 1:
        return packed(words)
    if samples.is_lossy_colour or is_deflated or samples.codestream == "JPEG XL":
        words = as_label_says(words, samples.photometric, form)
    if form.planar and not form.is_halved and words.ndim == 3:
        words = words.transpose(2, 0, 1)
    return np.ascontiguousarray(words).tobytes()
