"""Numbers in addresses and cursors: keys of the index, which have 64 bits."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

LARGEST = 2**63 - 1

#: The number of a note or a held copy in a path.
Key = Annotated[int, Path(ge=0, le=LARGEST)]

#: A number of a row in a body.
KeyInBody = Annotated[int, Field(ge=0, le=LARGEST)]
