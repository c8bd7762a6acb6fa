"""Sign-in by the REST API: sessions, users, API tokens, and the audit trail. Has no SQL; `kinote.security` does it."""
