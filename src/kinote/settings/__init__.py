"""The settings of an administrator: in `kinote.toml`, in the environment, on the command line.

`model` has the settings, `contradictions` what may not go together, `known_systems` and `rejections` their lists of
tables, `values` what a single value may be. `reading` reads them, and says what is wrong with one by the words in
`allowed`. Read by `kinote.app` and `kinote.command` only; every other package gets options of its own.
"""
