"""Why a backup cannot be made or restored."""

from __future__ import annotations


class BackupError(RuntimeError):
    """A backup cannot be made, or is not restored. The message is one for people: what is in the way, what to do."""
