"""The query parameters of rendered resources (PS3.18 8.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import QueryParams
from starlette.requests import Request

from kinote.dicom.pixels.windows import FUNCTIONS, Window
from kinote.dicom.values.uids import is_tolerable
from kinote.web.bodies.negotiation import MediaType, accepted, choose
from kinote.web.problems import BadRequestError, NotAcceptableError

PictureFormat = Literal["jpeg", "png", "gif"]

_FORMATS: dict[str, PictureFormat] = {"image/jpeg": "jpeg", "image/png": "png", "image/gif": "gif"}

ANNOTATIONS = frozenset({"patient", "technique"})

#: The longest side of a thumbnail, in pixels.
_THUMBNAIL = (128, 128)


@dataclass(frozen=True, slots=True)
class Rendering:
    """Media type, the box into which the picture is fitted (pixels), window, JPEG quality (1 to 100), overlay planes,
    text in the picture, and the UID of the presentation state to apply.
    """

    media_type: str
    viewport: tuple[int, int] | None
    window: Window | None
    quality: int
    overlays: bool = True
    annotations: frozenset[str] = frozenset()
    presentation_uid: str = ""

    @property
    def format(self) -> PictureFormat:
        return _FORMATS[self.media_type]


def rendering(
    request: Request, ranges: list[MediaType] | None = None, *, thumbnail: bool = False
) -> Rendering:
    """Return what the request asks for. Colour profiles are not supported; the parameter is ignored.

    `ranges` are the accepted media types of pictures, if the Accept header has them within others.
    """
    media_type = choose(accepted(request) if ranges is None else ranges, tuple(_FORMATS))
    if media_type is None:
        raise NotAcceptableError(f"Pictures are available as {', '.join(_FORMATS)}.")
    parameters = request.query_params
    viewport = _viewport(parameters)
    return Rendering(
        media_type=media_type,
        viewport=viewport or (_THUMBNAIL if thumbnail else None),
        window=None if thumbnail else _window(parameters),
        quality=_quality(parameters),
        overlays=_overlays(parameters),
        annotations=frozenset() if thumbnail else _annotations(parameters),
        presentation_uid="" if thumbnail else _presentation_uid(parameters),
    )


def _annotations(parameters: QueryParams) -> frozenset[str]:
    """Read `annotation=patient,technique` (8.3.5.1.1)."""
    wanted = frozenset(filter(None, parameters.get("annotation", "").split(",")))
    for word in sorted(wanted - ANNOTATIONS):
        raise BadRequestError(f"annotation: {word[:80]!r} is neither patient nor technique.")
    return wanted


def _presentation_uid(parameters: QueryParams) -> str:
    """Read `presentationUID`, as for rendered instances by URI (PS3.18 9.5.1.2, 9.5.2). Its series is not needed."""
    uid = parameters.get("presentationUID", "")
    if uid and not is_tolerable(uid):
        raise BadRequestError(f"presentationUID: {uid[:80]!r} is no UID.")
    return uid


def _overlays(parameters: QueryParams) -> bool:
    """Read `overlays=on` or `off`, a parameter of Kinote, not of PS3.18."""
    text = parameters.get("overlays", "on")
    if text not in ("on", "off"):
        raise BadRequestError(f"overlays: {text[:80]!r} is neither on nor off.")
    return text == "on"


def _viewport(parameters: QueryParams) -> tuple[int, int] | None:
    """Read `viewport=vw,vh` (8.3.5.1.3). The further numbers, a region of the image, are not supported."""
    text = parameters.get("viewport")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part[:9]) > 0 for part in parts):
        raise BadRequestError(f"viewport: {text[:80]!r} is not width,height in pixels, e.g. 512,512.")
    return int(parts[0][:9]), int(parts[1][:9])


def _window(parameters: QueryParams) -> Window | None:
    """Read `window=center,width,function` (8.3.5.1.4)."""
    text = parameters.get("window")
    if text is None:
        return None
    parts = text.split(",")
    function = parts[2].upper().replace("-", "_") if len(parts) == 3 else FUNCTIONS[0]
    try:
        if len(parts) not in (2, 3):
            raise ValueError("it has other than two or three parts")
        return Window(float(parts[0]), float(parts[1]), function)
    except ValueError as error:
        raise BadRequestError(
            f"window: {text[:80]!r} is not center,width,function, e.g. 40,400,linear: {error}"
        ) from None


def _quality(parameters: QueryParams) -> int:
    text = parameters.get("quality", "90")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100):
        raise BadRequestError(f"quality: {text[:80]!r} is no whole number from 1 to 100.")
    return int(text)
