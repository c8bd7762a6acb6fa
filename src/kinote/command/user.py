"""Who runs a command: the user of the operating system."""

from __future__ import annotations

import getpass
import os


def user() -> str:
    """The user's name; the number where the system has no name for it, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid())
