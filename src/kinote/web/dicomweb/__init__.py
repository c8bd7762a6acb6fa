"""DICOMweb (PS3.18): the studies service under `/dicomweb`, as plain Starlette routes."""
