"""The object creator: KOS documents of note versions, with their rows and their bytes.

Everything that a document's bytes depend on is fixed when its row is made (law 11), so that `recipe` can make them
again. Works in the transaction of the act. Uses neither `acts` nor `registrar`.
"""
