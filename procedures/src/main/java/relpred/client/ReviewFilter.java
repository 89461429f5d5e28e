package relpred.client;

import java.util.Optional;

/**
 * Which triples are to be listed.
 *
 * @param decided the decisions, and not what waits for one
 * @param order of what waits: `probable` or `uncertain`; the service has a default
 */
public record ReviewFilter(
        Optional<String> relation, boolean decided, Optional<String> order, double minProbability, long topK) {}
