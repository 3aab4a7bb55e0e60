"""Random faults for a whole satellite, and the ledger that judges what it made of them; for tests and for `bench`."""
