"""Acts about copies that need both parts of `kinote.notes` that make changes: they withdraw, and they register key
objects that come into use.
"""
