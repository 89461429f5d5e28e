"""neo4j_relpred: which relationships are missing from a Neo4j graph, how probable are they, and why."""

__version__ = "0.1.0"
