"""The commands `kinote routes …`: `typed` has their syntax, `acting` the actions."""
