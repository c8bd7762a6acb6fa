"""The commands `kinote peers …` and `kinote destinations …`: other systems. `typed` has their syntax."""
