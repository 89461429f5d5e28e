"""Neo4j: the client, the schema, reading snapshots and publishing predicted edges. It knows nothing of tensors."""
