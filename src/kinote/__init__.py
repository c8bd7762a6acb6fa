"""Kinote, a Key Image Notes server: studies in, key images marked, Key Object Selection documents out."""
