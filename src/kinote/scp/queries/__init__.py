"""C-FIND (PS3.4 C.4.1): from the identifier of a request to the identifiers of the matches.

`query` performs it on an association. `identifiers`, `find_query` and `find_answers` know no association; retrievals
use them too. `turns` limits how many queries are answered at once.
"""
