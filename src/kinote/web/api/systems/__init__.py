"""Other systems by REST: peers, destinations, archives, storage commitment, and what `kinote send` has sent them."""
