"""One person, one ledger: what every room knows a person by."""
