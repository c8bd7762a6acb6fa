"""The life cycle of instances: acts, standing, withdrawal, held copies, counters, findings, explain, account.

The only room that changes a standing. May use `kinote.catalog` and what is below it.
"""
