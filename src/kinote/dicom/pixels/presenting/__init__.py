"""Pictures according to a presentation state: its display settings, graphics and text, and fonts for every script."""
