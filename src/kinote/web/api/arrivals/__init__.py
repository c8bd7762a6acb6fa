"""Objects that arrive, by REST: storing one, what was refused, held copies, and the corrections that they propose."""
