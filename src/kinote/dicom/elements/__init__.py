"""Data sets as bytes: the walker, which trusts no length, and what is built on what it finds (PS3.5 7).

`walker` goes through whatever bytes come and has a limit for everything they can ask for; `scanner` gathers
elements as they pass, and `dataset` answers questions about them. May use `values` and `dictionary`.
"""
