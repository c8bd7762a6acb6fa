"""Media: studies and notes as DICOM file sets with pages for people (IHE PDI).

`selection` finds what goes together, `building` makes the files of the sets as they are asked for, `pages` the pages
that need no software. Whatever is given to media is in the ledger. May use `kinote.media`, `kinote.delivery.outgoing`
and `kinote.delivery.reports`.
"""
