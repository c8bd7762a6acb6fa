"""The part of the REST API that is about retention: holds, which keep bytes from being removed."""
