"""The syntax of `kinote conformance`."""

from __future__ import annotations


def conformance() -> None:
    """Print the DICOM conformance statement of this version, as Markdown."""
    from kinote.conformance.statement import statement

    print(statement(), end="")
