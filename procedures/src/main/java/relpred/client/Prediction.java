package relpred.client;

import java.util.Map;

/**
 * One answer of the service. Nodes are named by their element id.
 *
 * @param score raw: orders the candidates of one question
 * @param probability calibrated: comparable between questions
 * @param run the run that published the triple; null when it was computed for this question
 * @param key the key of the predicted edge that would state this; null from a service that does not say
 * @param predictedType the type of that edge
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
        String evidence,
        String key,
        String predictedType) {
    static Prediction of(Map<String, Object> row) {
        return new Prediction(
                Json.node(row, "head"),
                Json.text(row, "relation"),
                Json.node(row, "tail"),
                Json.number(row, "score"),
                Json.number(row, "probability"),
                Json.whole(row, "rank"),
                Json.textOrNull(row, "model"),
                Json.textOrNull(row, "run"),
                Json.textOrNull(row, "evidence"),
                Json.textOrNull(row, "key"),
                Json.textOrNull(row, "predicted_type"));
    }
}
