"""How the index is read and written: connections, the queue of the writers, group commit, commits in doubt, wake-ups."""
