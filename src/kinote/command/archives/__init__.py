"""The commands `kinote archives …`: `typed` has their syntax, `commands` the actions."""
