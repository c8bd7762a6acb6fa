"""Media: studies and notes as DICOM file sets with pages for people (IHE PDI).

`selection` finds the objects. `building` makes the files of the sets as they are requested. `pages` makes pages that
need only a browser. Whatever is written to media is in the ledger. May use `kinote.media`, `kinote.delivery.outgoing`
and `kinote.delivery.reports`.
"""
