"""Stores of other systems by REST: scans of folders, and fetches. May use what `web.api` may."""
