/** The procedures and functions that Cypher sees. Knows only Neo4j's public API and the client. */
package relpred.procedures;
