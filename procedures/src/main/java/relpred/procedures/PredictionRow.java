package relpred.procedures;

import org.neo4j.graphdb.Node;
import relpred.client.Prediction;

/** A row of every predicting procedure. The fields are the columns, in this order. */
public final class PredictionRow {
    public final Node head;
    public final String relation;
    public final Node tail;
    public final double score;
    public final double probability;
    public final long rank;
    public final String model;
    public final String run;
    public final String evidence;

    PredictionRow(Answer answer) {
        Prediction prediction = answer.found();
        this.head = answer.head();
        this.relation = prediction.relation();
        this.tail = answer.tail();
        this.score = prediction.score();
        this.probability = prediction.probability();
        this.rank = prediction.rank();
        this.model = prediction.model();
        this.run = prediction.run();
        this.evidence = prediction.evidence();
    }
}
