"""Media by REST: exports of studies and notes. May use what `web.api` may."""
