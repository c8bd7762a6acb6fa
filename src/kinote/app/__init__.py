"""Puts the house together: opens all rooms in order, and hands each its options.

`opening` opens and closes them, `house` is what is open, `background` what a server does by itself, `interfaces` its
HTTP and DICOM, `health` what is wrong, `restoring` brings a backup back. May use everything but `kinote.command`;
reads the settings.
"""

from __future__ import annotations

from kinote.app.background import JOB_KINDS
from kinote.app.health import watch_alerts
from kinote.app.house import House, HouseError, Purpose
from kinote.app.interfaces import dicom_server, policy, rejection_rules, sign_in, web_application
from kinote.app.opening import adopt, open_house
from kinote.app.restoring import drill, rebuild_index, restore_backup

__all__ = [
    "JOB_KINDS",
    "House",
    "HouseError",
    "Purpose",
    "adopt",
    "dicom_server",
    "drill",
    "open_house",
    "policy",
    "rebuild_index",
    "rejection_rules",
    "restore_backup",
    "sign_in",
    "watch_alerts",
    "web_application",
]
