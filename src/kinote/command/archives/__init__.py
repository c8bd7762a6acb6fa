"""The commands `kinote archives …`: `typed` says what can be typed, `commands` does it."""
