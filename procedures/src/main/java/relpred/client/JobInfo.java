package relpred.client;

import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;

/**
 * A job of the service as it stands.
 *
 * @param progress how much of the stage is done, from 0 to 1
 * @param startedAt null while it waits
 * @param endedAt null until it has ended
 * @param options what was asked for, by the names of the service
 * @param result what it tells when it is done
 * @param error what ended it; null when it did not fail
 * @param notes what it warned of
 */
public record JobInfo(
        String id,
        String kind,
        String state,
        String stage,
        double progress,
        ZonedDateTime submittedAt,
        ZonedDateTime startedAt,
        ZonedDateTime endedAt,
        double seconds,
        Map<String, Object> options,
        Map<String, Object> result,
        ServiceException error,
        List<String> notes) {
    static JobInfo of(Map<String, Object> row) {
        return new JobInfo(
                Json.text(row, "job_id"),
                Json.text(row, "kind"),
                Json.text(row, "state"),
                Json.text(row, "stage"),
                Json.number(row, "progress"),
                Json.timeOrNull(row, "submitted_at"),
                Json.timeOrNull(row, "started_at"),
                Json.timeOrNull(row, "ended_at"),
                Json.number(row, "seconds"),
                Json.object(row, "options"),
                Json.object(row, "result"),
                row.get("error") == null ? null : Call.refusal(Json.object(row, "error")),
                Json.texts(row, "notes"));
    }

    /** Whether nothing will change any more. */
    public boolean ended() {
        return endedAt != null;
    }

    /** How long it ran, or runs. */
    public long millis() {
        return Math.round(seconds * 1_000);
    }

    /** A map that the result holds, as far as there is a result. */
    public Map<String, Object> resultMap(String field) {
        return result.containsKey(field) ? Json.object(result, field) : null;
    }

    /** This job, or the error that ended it. */
    public JobInfo orThrow() {
        if (error != null) {
            throw error;
        }
        if (state.equals("cancelled")) {
            throw new ServiceException(
                    "job-cancelled",
                    "The job " + id + " was cancelled.",
                    "What it had reached is not lost: a training of the same settings goes on where it was.");
        }
        return this;
    }
}
