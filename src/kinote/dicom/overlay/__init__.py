"""Overlays values on a data set as it goes out; the stored data set is not changed (PS3.3 C.12.1.1.9).

`changes` describes an overlay. `applying` produces the data set that goes out: a rewritten head, and everything else
passed on from the file. May use `elements`, `json` and `files`, and what lies below them.
"""
