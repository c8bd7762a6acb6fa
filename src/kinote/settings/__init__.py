"""The settings of an administrator: in `kinote.toml`, in the environment, on the command line.

`model` has the settings and checks them, `values` says what a single value may be. Read by `kinote.app` and
`kinote.command` only; every other package gets options of its own.
"""
