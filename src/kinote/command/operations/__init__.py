"""The commands for operating a server: jobs, alerts, backups, and `doctor`, which checks and repairs a store."""
