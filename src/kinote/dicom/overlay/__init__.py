"""Values laid over a data set on its way out, which is not changed where it is stored (PS3.3 C.12.1.1.9).

`changes` says what is laid over, `applying` makes the data set that goes out: the head is written anew, everything else
is passed on from the file. May use `elements`, `json` and `files`, and what lies below them.
"""
