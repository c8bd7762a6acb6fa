"""The whole statement, in the order of PS3.2 Annex N."""

from __future__ import annotations

from kinote.conformance.markdown import written
from kinote.conformance.networking import classes, networking, syntaxes
from kinote.conformance.overview import services_at_a_glance
from kinote.conformance.profiles import (
    character_sets,
    content,
    deviations,
    integration,
    media_interchange,
    overview,
)
from kinote.conformance.security import security
from kinote.conformance.web_services import web_services


def statement() -> str:
    """Return the DICOM conformance statement of this version as Markdown."""
    sections = [
        services_at_a_glance(),
        overview(),
        networking(),
        web_services(),
        media_interchange(),
        character_sets(),
        security(),
        content(),
        deviations(),
        integration(),
    ]
    annexes = (
        f"## Annex A. Storage SOP classes\n\n{_CLASSES}\n\n{classes()}",
        f"## Annex B. Transfer syntaxes of stored objects\n\n{_SYNTAXES}\n\n{syntaxes()}",
    )
    return "\n\n".join((_HEAD, written(sections), *annexes)) + "\n"


_HEAD = (
    "# DICOM conformance statement\n\n"
    "<!-- Made by `kinote conformance`; do not edit. After a change: kinote conformance > docs/conformance.md -->\n\n"
    "The DICOM conformance statement (PS3.2) and IHE integration statement of Kinote. It is made from the tables "
    "that the program goes by; `kinote conformance` prints that of the version that you run."
)
_CLASSES = (
    "As SCP all of these are taken, and storage SOP classes that PS3.6 will add. Private SOP classes are taken "
    "unless the setting `private_classes` says otherwise. As SCU the same are proposed, each when there is an "
    "object of it to send."
)
_SYNTAXES = (
    "Objects are stored in the transfer syntax in which they come, whatever it is. Where frames are decoded, the "
    "object can also be sent as Explicit or Implicit VR Little Endian, and be shown."
)
