"""Signed containers: strict CBOR and the one COSE_Sign1 that passes and health certificates share."""
