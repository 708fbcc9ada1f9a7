"""What administrators and keepers of the ledger do: accounts, rules, duplicates, the state of the house."""
