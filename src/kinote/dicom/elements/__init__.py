"""Data sets as bytes (PS3.5 section 7): the walker, which trusts no length, and what uses its results.

`walker` processes arbitrary bytes and limits everything that they can make it do. `scanner` feeds it while bytes
arrive, and `dataset` gives access to elements. May use `values` and `dictionary`.
"""
