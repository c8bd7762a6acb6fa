"""Key image notes: make, revise, withdraw, read, search; the object creator and the registrar.

Object creator (makes KOS of note versions) and registrar (makes notes of KOS) work on an open transaction.
"""
