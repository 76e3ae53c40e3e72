"""`python -m ops` is the freeline command."""

from ops.cli import main

main()
