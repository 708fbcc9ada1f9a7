"""Who a person is, as another system proves it: the interface and the real OpenID Connect client (VNeID's place).

`provider()` is the one that the installation has chosen, or None. Tests and trials use a real provider (npm
`oidc-provider`), so there is no simulator.
"""
