"""OpenID Connect: people who sign in at the provider of their organization. Uses the catalog and sign-in.

The provider says who somebody is and which roles they have; what a role may do is decided here. No token of the
provider is stored in the clear.
"""
