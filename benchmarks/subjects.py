"""What studies of the measurements are made of: SOP classes, names, and how many images."""

from __future__ import annotations

#: Images of a study, unless said otherwise.
IMAGES = 100

CT = "1.2.840.10008.5.1.4.1.1.2"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
SURNAMES = (
    "Smith",
    "Müller",
    "Rossi",
    "García",
    "Novák",
    "Yamada",
    "Okafor",
    "Ivanova",
    "Lindqvist",
    "Silva",
)
