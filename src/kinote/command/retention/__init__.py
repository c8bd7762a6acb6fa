"""The commands about retention: what a hold keeps."""
