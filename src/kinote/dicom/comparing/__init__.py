"""Whether two data sets say the same, whatever their encodings.

`opened` walks a stored data set and gives its values; `content` compares two of them, element for element. May use the
other parts of `dicom`.
"""
