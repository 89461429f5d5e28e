package relpred.procedures;

import java.time.ZonedDateTime;
import relpred.client.ReviewedTriple;

/** A row of every reviewing procedure. The fields are the columns, in this order. */
public final class ReviewRow {
    public final String head;
    public final String relation;
    public final String tail;
    public final String headName;
    public final String tailName;
    public final String state;
    public final Double probability;
    public final String evidence;
    public final String model;
    public final String run;
    public final String reason;
    public final String note;
    public final String decidedBy;
    public final ZonedDateTime decidedAt;

    ReviewRow(ReviewedTriple triple) {
        this.head = triple.head();
        this.relation = triple.relation();
        this.tail = triple.tail();
        this.headName = triple.headName();
        this.tailName = triple.tailName();
        this.state = triple.state();
        this.probability = triple.probability();
        this.evidence = triple.evidence();
        this.model = triple.model();
        this.run = triple.run();
        this.reason = triple.reason();
        this.note = triple.note();
        this.decidedBy = triple.by();
        this.decidedAt = triple.at();
    }
}
