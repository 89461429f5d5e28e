"""`python -m neo4j_relpred.cli`."""

from neo4j_relpred.cli import main

main()
