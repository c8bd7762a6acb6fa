"""Bytes out.

`source` is the only way to the bytes of an instance, `outgoing` what every data set passes on its way.
"""
