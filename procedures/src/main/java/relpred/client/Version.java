package relpred.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;

/** The versions that this jar speaks of itself. */
public final class Version {
    /** The version of the protocol between jar and service; both sides must have the same. */
    public static final int WIRE = 1;

    /** The version of the jar, which is that of the Python package it was built with. */
    public static final String JAR = read();

    private Version() {}

    /** The error for a service that speaks another version of the protocol. */
    public static ServiceException mismatch(String theirs) {
        return new ServiceException(
                "wire-version",
                "The relpred service speaks version " + theirs + " of the protocol, this jar (" + JAR
                        + ") speaks version " + WIRE + ".",
                "Install the jar that belongs to the service and restart Neo4j.");
    }

    private static String read() {
        var properties = new Properties();
        try (var stream = Version.class.getResourceAsStream("version.properties")) {
            properties.load(stream);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return properties.getProperty("version");
    }
}
