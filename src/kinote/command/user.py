"""The user of the operating system who runs a command."""

from __future__ import annotations

import getpass
import os


def user() -> str:
    """Return the user's name; the number if the system has no name for it, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid())
