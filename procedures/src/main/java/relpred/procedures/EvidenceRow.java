package relpred.procedures;

import java.util.List;
import org.neo4j.graphdb.Node;
import relpred.client.Clue;

/** A row of relpred.explain. The fields are the columns, in this order. */
public final class EvidenceRow {
    public final String kind;
    public final Double share;
    public final String explanation;
    public final String pattern;
    public final List<List<Node>> bindings;
    public final Long support;
    public final Double confidence;
    public final double score;
    public final double probability;
    public final String model;

    EvidenceRow(Clue clue, List<List<Node>> bindings) {
        this.kind = clue.kind();
        this.share = clue.share();
        this.explanation = clue.explanation();
        this.pattern = clue.pattern();
        this.bindings = bindings;
        this.support = clue.support();
        this.confidence = clue.confidence();
        this.score = clue.score();
        this.probability = clue.probability();
        this.model = clue.model();
    }
}
