"""Pixel data (PS3.3 C.7.6, PS3.5 8): frames and their encapsulation, decoding, and rendering.

May use the other parts of `kinote.dicom`. Only `pictures` needs what comes with the server (pillow).
"""
