"""A Neo4j of our own to try things on: a real server as a child process, with a bundled graph."""
