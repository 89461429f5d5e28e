package relpred.procedures;

import java.time.ZonedDateTime;
import java.util.Map;
import relpred.client.ModelInfo;

/** A version of the model. The fields are the columns, in this order. */
public final class ModelRow {
    public final String modelName;
    public final long version;
    public final boolean live;
    public final ZonedDateTime creationTime;
    public final Map<String, Object> modelInfo;
    public final Map<String, Object> trainConfig;

    ModelRow(ModelInfo one) {
        this.modelName = one.model();
        this.version = one.version();
        this.live = one.live();
        this.creationTime = one.trainedAt();
        this.modelInfo = one.figures();
        this.trainConfig = one.training();
    }
}
