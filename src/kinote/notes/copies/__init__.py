"""Acts on copies of objects. They need both parts of `kinote.notes` that make changes: they withdraw objects, and
register key objects that come into use.
"""
