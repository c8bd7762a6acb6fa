"""Stores of other systems by REST: scans of folders, fetches, peers that are followed, and imported notes."""
