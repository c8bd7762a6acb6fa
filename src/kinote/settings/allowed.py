"""The permitted values of each setting, as the end of a sentence about a wrong one."""

from __future__ import annotations

from kinote.delivery.routing.checks import LONGEST_QUIET, NOTE_ORIGINS, SHORTEST_QUIET
from kinote.delivery.routing.route import Trigger
from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection.rules import COMMITMENT_TIME
from kinote.peers.destination import MOST_ASSOCIATIONS, Content
from kinote.peers.entities import ServiceName
from kinote.peers.peer import PeerRight
from kinote.security.roles import RoleName
from kinote.settings.rejections import Mode

_TITLE = "an AE title: 1 to 16 characters of ASCII, not only spaces, without backslash and control characters"


#: The allowed values of each setting, to complete the sentence "It must be …".
ALLOWED = {
    "data": "the path of a folder",
    "database": "the address of a PostgreSQL database, postgresql://USER:PASSWORD@HOST/NAME, or empty",
    "database_connections": "a whole number from 6 to 1000",
    "scrub_days": "a whole number from 0 to 3650",
    "authorization_folder": "the path of a folder, or empty",
    "backup_folder": "the path of a folder on another disk, or empty",
    "backup_hours": "a whole number from 0 to 8760",
    "backup_keep": "a whole number from 1 to 1000",
    "backup_images": "true or false",
    "purge_after": "a number of days from 0 to 36500, or empty for never",
    "reconcile_days": "a whole number from 0 to 3650",
    "job_workers": "a whole number from 0 to 32",
    "delivery_workers": "a whole number from 0 to 64",
    "job_days": "a whole number from 1 to 3650",
    "make_key_objects": "true or false",
    "follow_minutes": "a whole number from 0 to 10080",
    "availability_quiet_seconds": "a whole number from 1 to 86400",
    "undo_seconds": "a whole number from 0 to 604800",
    "second_person": "true or false",
    "authentication": "none or local",
    "session_hours": "a number of hours from 0.1 to 168",
    "openid_issuer": "the address of the provider, https://HOST/PATH, or empty; http only on this machine",
    "openid_client_id": "at most 200 characters",
    "openid_client_secret": "a text",
    "openid_name": "1 to 64 characters",
    "openid_roles": "pairs PROVIDER=ROLE such as radiologist=author, separated by commas or as a list; the roles are "
    f"{', '.join(RoleName)}",
    "openid_scopes": "names of scopes, separated by commas or as a list",
    "openid_audience": "at most 200 characters, or empty",
    "audit": "true or false, or empty",
    "audit_days": "a whole number from 1 to 36500, or empty for ever",
    "audit_syslog_host": "a host name or an IP address, without port, or empty",
    "audit_syslog_port": "1 to 65535",
    "audit_source": "1 to 64 printable characters, without spaces around them",
    "audit_site": "at most 64 printable characters, without spaces around them",
    "http_host": "an IP address, or localhost",
    "http_certificate": "the path of a PEM file, or empty",
    "http_key": "the path of a PEM file, or empty",
    "http_port": "a whole number from 0 to 65535",
    "allowed_hosts": "host names without scheme and port, separated by commas or as a list",
    "allowed_origins": "origins as browsers name them, https://HOST or https://HOST:PORT, separated by commas "
    "or as a list",
    "trusted_proxies": "IP addresses or networks such as 10.1.0.0/16, separated by commas or as a list",
    "http_connections": "a whole number from 8 to 100000",
    "http_connections_per_address": "a whole number from 1 to 100000",
    "http_requests_per_client": "a whole number from 1 to 100000",
    "http_stalled_seconds": "a number from 1 to 3600",
    "http_slowest_upload": "a whole number from 0 to 1000000000",
    "log_level": "debug, info, warning or error",
    "log_json": "true or false",
    "ae_titles": f"{_TITLE}; or several of them, separated by commas or as a list",
    "any_called_title": "true or false",
    "dicom_host": "an IP address, or localhost",
    "dicom_port": "a whole number from 0 to 65535, or empty",
    "dicom_tls_port": "a whole number from 0 to 65535, or empty",
    "tls_certificate": "the path of a PEM file, or empty",
    "tls_key": "the path of a PEM file, or empty",
    "tls_authorities": "the path of a PEM file, or empty",
    "tls_client_certificates": "true or false",
    "dicom_associations": "a whole number from 1 to 10000",
    "dicom_associations_per_host": "a whole number from 1 to 10000",
    "entities": "a list of tables, [[entities]], or in a variable JSON: "
    '[{"title": "CT1", "host": "10.1.2.3", "port": 104}]',
    "destinations": "a list of tables, [[destinations]], or in a variable JSON: "
    '[{"name": "Archive", "peer": "ARCHIVE"}]',
    "routes": "a list of tables, [[routes]], or in a variable JSON: "
    '[{"name": "OR", "destination": "Surgery", "triggers": ["note made"]}]',
    "rejections": 'a list of tables, [[rejections]], or in a variable JSON: [{"title": "113001", "mode": "mark"}]',
    "refused_copies": "a list of tables, [[refused_copies]], or in a variable JSON: "
    '[{"sender": "CT1", "status": "C123"}]',
    "unknown_callers": "true or false",
    "private_classes": "true or false",
    "user_identity": "ignored, accepted or required",
    "intake_processes": "a whole number from 0 to 16, or empty",
    "smtp_host": "a host name or an IP address, without port, or empty",
    "smtp_port": "a whole number from 1 to 65535, or empty",
    "smtp_security": "one of starttls, tls, none",
    "smtp_user": "a text",
    "smtp_password": "a text",
    "smtp_sender": "a mail address such as kinote@example.org, or empty",
    "alert_mail_to": "at most 100 mail addresses such as pacs@example.org, separated by commas or as a list",
    "alert_webhooks": "a list of tables, [[alert_webhooks]], or in a variable JSON: "
    '[{"name": "chat", "url": "https://chat.example/hook", "secret": "…"}]',
    "alert_severity": "one of warning, error",
    "alert_pause_minutes": "a whole number from 1 to 1440",
    "alert_repeat_minutes": "a whole number from 1 to 10080",
    "alert_digest_at": "a time of the day such as 07:00, or empty for none",
    "viewer_address": "the address of a web page, https://HOST, or empty",
    "memory": "a whole number of megabytes, 64 at least, or empty",
    "decoding_processes": "a whole number from 1 to 64, or empty",
}

#: The allowed values of each part of an item of a list of tables.
ALLOWED_OF_ITEMS = {
    "entities": {
        "title": _TITLE,
        "host": "a host name or an IP address",
        "port": "a whole number from 1 to 65535",
        "tls": "true or false",
        "check_name": "true or false",
        "services": f"a list of some of {', '.join(ServiceName)}",
        "rights": f"a list of some of {', '.join(PeerRight)}",
        "description": "a text",
    },
    "destinations": {
        "name": "1 to 64 printable characters without spaces around them",
        "peer": "the name of a peer; that of an entity is its title",
        "description": "a text",
        "content": f"one of {', '.join(Content)}",
        "associations": f"a whole number from 1 to {MOST_ASSOCIATIONS}",
        "rejection_notes": "true or false",
        "availability": "true or false",
    },
    "routes": {
        "name": "1 to 64 printable characters without spaces around them",
        "destination": "the name of a destination",
        "triggers": f"a list of some of {', '.join(Trigger)}",
        "content": f"one of {', '.join(Content)}",
        "priority": "a whole number from 0 to 9",
        "quiet_seconds": f"a whole number from {SHORTEST_QUIET} to {LONGEST_QUIET}",
        "description": "a text",
        "enabled": "true or false",
        "training": "true or false",
        "titles": "a list of codes, VALUE or SCHEME:VALUE",
        "note_origins": f"a list of some of {', '.join(NOTE_ORIGINS)}",
        "modalities": "a list of modalities",
        "sop_classes": "a list of SOP Class UIDs",
        "sources": "a list of AE titles",
        "patients": "a list of Patient IDs",
        "studies": "a list of Study Instance UIDs",
        "oldest_days": "a whole number",
        "youngest_days": "a whole number",
        "has_notes": "true or false",
    },
    "rejections": {
        "title": "113001, 113037, 113038 or 113039",
        "mode": f"one of {', '.join(Mode)}",
        "show_note": "true or false",
        "later_copies": f"one of {', '.join(LaterCopies)}",
        "purge_after": "a whole number of days from 0 to 36500",
        "note_purge_after": f"a whole number of days from {COMMITMENT_TIME.days} to 36500: until then storage "
        "commitment may be requested for a note",
    },
    "refused_copies": {
        "sender": _TITLE,
        "status": "a failure status in four hexadecimal digits: A900 to A9FF, C000 to CFFF without C122, or 0124; "
        "senders repeat A7xx for ever",
    },
    "alert_webhooks": {
        "name": "1 to 64 printable characters without spaces around them",
        "url": "an address beginning with https:// or http://, without user and password",
        "secret": "a text of at least 16 characters",
    },
}

#: What an item of a list of tables is called.
ITEMS = {
    "entities": "entity",
    "destinations": "destination",
    "routes": "route",
    "rejections": "rejection",
    "refused_copies": "refused copy",
    "alert_webhooks": "webhook",
}
