"""Pixel data (PS3.3 C.7.6, PS3.5 8): frames and their encapsulation, decoding, and the pictures made of them.

May use the other parts of `kinote.dicom`. `pictures` alone needs what comes with the server (pillow).
"""
