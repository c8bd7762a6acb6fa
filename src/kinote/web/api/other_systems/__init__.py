"""Stores of other systems by REST: scans of folders, and what is fetched. May use what `web.api` may."""
