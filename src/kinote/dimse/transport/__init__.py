"""Connections that carry PDUs, with or without TLS (PS3.8 9.1, PS3.15 Annex B).

`endpoint` drives the upper layer of one connection and does what it says.
"""
