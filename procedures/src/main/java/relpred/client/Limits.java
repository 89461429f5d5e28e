package relpred.client;

import java.time.Duration;
import java.util.Optional;

/**
 * How much of an answer is wanted.
 *
 * @param timeout how long the caller wants to wait at most; the settings may allow less
 */
public record Limits(long topK, double minProbability, Optional<Duration> timeout) {}
