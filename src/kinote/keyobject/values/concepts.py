"""Concept names of the content items of a key object (PS3.16 TID 2010, 1002, 1003, 1004, 1204)."""

from __future__ import annotations

from kinote.keyobject.codes import dcm

KEY_OBJECT_DESCRIPTION = dcm("113012", "Key Object Description")
DOCUMENT_TITLE_MODIFIER = dcm("113011", "Document Title Modifier")
PROCEDURE_CODE = dcm("121023", "Procedure Code")
LANGUAGE = dcm("121049", "Language of Content Item and Descendants")
OBSERVER_TYPE = dcm("121005", "Observer Type")
PERSON = dcm("121006", "Person")
DEVICE = dcm("121007", "Device")
PERSON_OBSERVER_NAME = dcm("121008", "Person Observer Name")
PERSON_OBSERVER_LOGIN_NAME = dcm("128774", "Person Observer's Login Name")
DEVICE_OBSERVER_UID = dcm("121012", "Device Observer UID")
DEVICE_OBSERVER_NAME = dcm("121013", "Device Observer Name")
