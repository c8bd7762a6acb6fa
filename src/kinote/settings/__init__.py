"""What an administrator can set: in `kinote.toml`, in the environment, on the command line.

`model` has the settings and says what is wrong with them, `values` what a single value may be. Read by
`kinote.app` and `kinote.command` only: every other package is given options of its own.
"""
