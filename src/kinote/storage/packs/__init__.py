"""Small images, many to a file: the store, the file, who may add to it.

May use the other files of `storage`. The rest of the house knows `store.PackStore` only.
"""
