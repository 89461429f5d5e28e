package relpred.procedures;

/** The row of relpred.health. The fields are the columns, in this order. */
public final class HealthRow {
    public final String status;
    public final String service;
    public final String model;
    public final Long wireVersion;
    public final String address;
    public final String message;

    HealthRow(String status, String service, String model, Long wireVersion, String address, String message) {
        this.status = status;
        this.service = service;
        this.model = model;
        this.wireVersion = wireVersion;
        this.address = address;
        this.message = message;
    }
}
