package relpred.procedures;

import org.neo4j.graphdb.Node;
import relpred.client.Prediction;

/** What the service found, with the nodes that it is about. */
record Answer(Node head, Node tail, Prediction found) {}
