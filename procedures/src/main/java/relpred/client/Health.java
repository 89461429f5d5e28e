package relpred.client;

/**
 * What the service says of itself.
 *
 * @param version the service's version
 * @param wire the version of the protocol that it speaks
 * @param model name and version of the model it answers with; null when it has none
 */
public record Health(String status, String version, long wire, String model) {}
