"""`python -m client.cli`: the command line without its console script."""

from client.cli import main

main()
