"""What happens to bytes when an installation is opened.

`installation` checks that index, data directory and stores belong together. `recovery` sets aside bytes without a row
that a crash left (law 8). `in_place_stores` opens the stores of folders that are read in place.
"""
