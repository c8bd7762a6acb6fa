"""Assembles the application: opens all packages in order, and gives each its options.

`opening` opens and closes them, `taking_over` takes over the data directory, `adopting` makes an index its own,
`application` is the open application, `background` is what a server does by itself, `interfaces` are HTTP and DICOM,
`health` reports what is wrong, `restoring` restores a backup. May use everything but `kinote.command`; reads the
settings.
"""

from __future__ import annotations

from kinote.app.adopting import adopt
from kinote.app.application import Application, ApplicationError, Purpose
from kinote.app.background import JOB_KINDS
from kinote.app.health import watch_alerts
from kinote.app.interfaces import dicom_server, policy, rejection_rules, sign_in, web_application
from kinote.app.opening import open_application
from kinote.app.restoring import drill, rebuild_index, restore_backup

__all__ = [
    "JOB_KINDS",
    "Application",
    "ApplicationError",
    "Purpose",
    "adopt",
    "dicom_server",
    "drill",
    "open_application",
    "policy",
    "rebuild_index",
    "rejection_rules",
    "restore_backup",
    "sign_in",
    "watch_alerts",
    "web_application",
]
