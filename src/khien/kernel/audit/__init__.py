"""Who did what and who read what, and why: lines in the act's own transaction, sealed a second later."""
