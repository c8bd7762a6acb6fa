"""JPEG lossless and 12-bit JPEG in numpy (ITU-T T.81): no package with a permissive licence that we use has them.

Bytes of a frame in, samples out; knows no data set, and nothing else of Kinote.
"""
