package relpred.client;

/**
 * One answer of the service. Nodes are named by their element id.
 *
 * @param score raw: orders the candidates of one question
 * @param probability calibrated: comparable between questions
 * @param run the run that published the triple; null when it was computed for this question
 */
public record Prediction(
        String head,
        String relation,
        String tail,
        double score,
        double probability,
        long rank,
        String model,
        String run,
        String evidence) {}
