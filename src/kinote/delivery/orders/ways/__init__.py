"""The ways to a destination: sending to it, and querying it, by the kind of its endpoint.

`choosing` picks a carrier and a finder. `carriers` send (`by_web` is DICOMweb, `by_folder` a folder), `finders` query.
`calling` is how this server identifies itself.
"""
