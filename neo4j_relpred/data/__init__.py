"""Snapshots, splits, target sets and the text of a node: where graph and learning meet. Knows no torch, no Neo4j."""
