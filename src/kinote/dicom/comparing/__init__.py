"""Compares two data sets, whatever their encodings.

`opened` walks a stored data set and reads its values. `content` compares two of them element by element. May use the
other parts of `dicom`.
"""
