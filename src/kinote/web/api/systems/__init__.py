"""Other systems by REST: peers and destinations. May use what `web.api` may."""
