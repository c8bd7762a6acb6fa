"""Reading and writing the index: connections, the queue of the writers, group commit, commits in doubt."""
