"""The HTTP interface: DICOMweb, the REST API, the files of the viewer.

`application` joins them and the middleware. Every request passes `requests`; `bodies` streams what it carries and what
answers it. Has no SQL, and never imports `kinote.storage`; gets stored bytes from `kinote.holdings`.
"""
