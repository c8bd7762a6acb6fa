"""Reads the presentation states that pictures are requested with."""

from __future__ import annotations

from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.presenting.presentation_states import LONGEST, read_state
from kinote.holdings.door import Door
from kinote.holdings.live_objects import LiveObject
from kinote.security.actors import Actor


def read_presentation_state(door: Door, item: LiveObject, by: Actor) -> DataSet:
    """Return the data set of a state. Raises `PictureError` if it cannot be applied or is too long, and the errors of
    the door.
    """
    if item.size > LONGEST:
        raise PictureError(f"The presentation state is longer than {LONGEST} bytes.")
    with door.open(item, by).file as file:
        return read_state(file.read(LONGEST + 1), item.transfer_syntax_uid)
