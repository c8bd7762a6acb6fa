"""The object creator: KOS documents of note versions, with their rows and their bytes.

All that a document's bytes depend on is fixed when its row is made (law 11), so that `recipe` makes them
again. Works on the transaction of the act; knows neither `acts` nor `registrar`.
"""
