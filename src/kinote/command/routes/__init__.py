"""The commands `kinote routes …`: what can be typed, and what they do."""
