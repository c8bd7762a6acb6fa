"""General purpose application profiles of PS3.11: which transfer syntaxes a file set of each may have."""

from __future__ import annotations

from dataclasses import dataclass

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN

_JPEG = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 70))
_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (90, 91))


@dataclass(frozen=True, slots=True)
class Profile:
    """An application profile: its identifier, its clause in PS3.11, and the compressed transfer syntaxes it allows.

    Explicit VR Little Endian is allowed by each.
    """

    name: str
    clause: str
    compressed: frozenset[str] = frozenset()

    def syntax_for(self, transfer_syntax_uid: str) -> str:
        """Return the transfer syntax in which an object goes into the set: its own if that is allowed."""
        return transfer_syntax_uid if transfer_syntax_uid in self.compressed else EXPLICIT_VR_LITTLE_ENDIAN


#: The profile of a file set for which none is asked.
DEFAULT = "STD-GEN-CD"

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(DEFAULT, "PS3.11 D"),
        Profile("STD-GEN-DVD-JPEG", "PS3.11 H", _JPEG),
        Profile("STD-GEN-DVD-J2K", "PS3.11 H", _JPEG_2000),
        Profile("STD-GEN-USB-JPEG", "PS3.11 J", _JPEG),
        Profile("STD-GEN-USB-J2K", "PS3.11 J", _JPEG_2000),
        Profile("STD-GEN-BD-JPEG", "PS3.11 M", _JPEG),
        Profile("STD-GEN-BD-J2K", "PS3.11 M", _JPEG_2000),
    )
}
