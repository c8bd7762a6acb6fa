"""Sign-in: users with passwords, their sessions, and API tokens. Uses the catalog.

Secrets are never stored: of a password only what Argon2 makes of it, of a token only its digest.
"""
