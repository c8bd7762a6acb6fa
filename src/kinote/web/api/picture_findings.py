"""Compares what an image's header says about its pixels with the pixels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kinote.decoding.frame_decoder import label_remark
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.keyobject.findings import found
from kinote.security.actors import KINOTE

#: The largest deflated object that is examined, in bytes.
_MOST_DEFLATED = 4 * 1024 * 1024


def picture_findings(door: Door, item: LiveObject) -> list[dict[str, Any]]:
    """Return the findings of a live image as JSON; none if its bytes are unavailable or unreadable.

    A deflated object larger than a few megabytes has none either: it would have to be inflated as a whole.
    """
    if not item.pixel_rows or not door.can_open(item):
        return []
    if lookup(item.transfer_syntax_uid).deflated and item.size > _MOST_DEFLATED:
        return []
    try:
        with door.open(item, KINOTE).file as file, open_frames(file, item.transfer_syntax_uid) as frames:
            remark = label_remark(frames)
    except (OSError, PictureError):
        return []
    return [asdict(found("PICTURE_LABEL", "(0028,0004)", remark))] if remark else []
