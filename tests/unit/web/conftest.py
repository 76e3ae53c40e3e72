"""The console in front of a real database, and people with browsers of their own."""

# A name that a test asks for is looked up here.
# ruff: noqa: F401
from tests.support.browsers import adam, alice, bob, new_browser, operated, outsider, redis, server, signed_in
