"""Operating a server by REST: jobs, alerts, backups, the change feed, and checks of the whole store.

`identity` proves to a command which server it is speaking to.
"""
