"""What the DICOM face stands on."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.catalog.catalog import Catalog
from kinote.delivery.source import Source
from kinote.intake.receiver import Receiver
from kinote.scp.options import ScpOptions


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms below, and the options of the DICOM face."""

    catalog: Catalog
    receiver: Receiver
    source: Source
    options: ScpOptions
