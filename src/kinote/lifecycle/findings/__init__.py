"""Findings that come from comparing an object with others: that it contradicts its study, and lists of all findings."""
