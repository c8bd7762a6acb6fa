"""Sign-in by the REST API: sessions, users, API tokens, and the audit trail. Has no SQL; it calls `kinote.security`."""
