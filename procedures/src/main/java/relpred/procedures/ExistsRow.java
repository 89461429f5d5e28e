package relpred.procedures;

/** The row of relpred.model.exists. The fields are the columns, in this order. */
public final class ExistsRow {
    public final String modelName;
    public final boolean exists;

    ExistsRow(String modelName, boolean exists) {
        this.modelName = modelName;
        this.exists = exists;
    }
}
