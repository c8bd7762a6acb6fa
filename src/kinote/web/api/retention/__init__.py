"""Retention in the REST API: holds."""
