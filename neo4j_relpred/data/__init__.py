"""Snapshots, splits, target sets and the text of a node: where graph and learning meet. Knows neither torch nor Neo4j."""
