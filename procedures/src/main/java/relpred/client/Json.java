package relpred.client;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON objects as maps, and strict access to their fields. */
final class Json {
    /** The code of an answer that cannot be read. */
    static final String UNREADABLE = "unreadable-answer";

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(16).build())
            .build();
    private static final JSON READER = JSON.builder(FACTORY).build();

    private Json() {}

    static String write(Map<String, Object> object) {
        try {
            return READER.asString(object);
        } catch (IOException error) {
            throw new IllegalArgumentException(error);
        }
    }

    /** Reads exactly one object: what is cut, or followed by more, is refused. */
    static Map<String, Object> read(byte[] text) {
        try (JsonParser parser = FACTORY.createParser(text)) {
            Map<String, Object> object = READER.mapFrom(parser);
            if (object == null || parser.nextToken() != null) {
                throw unreadable("it is not one JSON object");
            }
            return object;
        } catch (IOException error) {
            throw unreadable("it is not JSON, or was cut: " + start(text));
        }
    }

    static String text(Map<String, Object> object, String field) {
        if (object.get(field) instanceof String text) {
            return text;
        }
        throw unreadable("the field " + field + " is not a string");
    }

    static String textOrNull(Map<String, Object> object, String field) {
        return object.get(field) == null ? null : text(object, field);
    }

    static double number(Map<String, Object> object, String field) {
        if (object.get(field) instanceof Number number) {
            return number.doubleValue();
        }
        throw unreadable("the field " + field + " is not a number");
    }

    static Double numberOrNull(Map<String, Object> object, String field) {
        return object.get(field) == null ? null : number(object, field);
    }

    static boolean flag(Map<String, Object> object, String field) {
        if (object.get(field) instanceof Boolean flag) {
            return flag;
        }
        throw unreadable("the field " + field + " is neither true nor false");
    }

    static ZonedDateTime timeOrNull(Map<String, Object> object, String field) {
        String text = textOrNull(object, field);
        try {
            return text == null ? null : ZonedDateTime.parse(text);
        } catch (DateTimeException error) {
            throw unreadable("the field " + field + " is not a time");
        }
    }

    static long whole(Map<String, Object> object, String field) {
        Object value = object.get(field);
        if (value instanceof Integer || value instanceof Long) {
            return ((Number) value).longValue();
        }
        throw unreadable("the field " + field + " is not a whole number");
    }

    static Long wholeOrNull(Map<String, Object> object, String field) {
        return object.get(field) == null ? null : whole(object, field);
    }

    /** Whatever JSON has. */
    static Object any(Map<String, Object> object, String field) {
        return widened(object.get(field));
    }

    /** The values are what JSON has: strings, numbers, truth values, lists and maps of them. */
    static Map<String, Object> object(Map<String, Object> object, String field) {
        if (object.get(field) instanceof Map<?, ?> map) {
            var found = new LinkedHashMap<String, Object>();
            map.forEach((key, value) -> found.put(key.toString(), widened(value)));
            return found;
        }
        throw unreadable("the field " + field + " is not an object");
    }

    static List<String> texts(Map<String, Object> object, String field) {
        if (object.get(field) instanceof List<?> list && list.stream().allMatch(String.class::isInstance)) {
            return list.stream().map(String.class::cast).toList();
        }
        throw unreadable("the field " + field + " is not a list of strings");
    }

    /** Cypher has one kind of whole numbers. */
    private static Object widened(Object value) {
        if (value instanceof Integer number) {
            return number.longValue();
        }
        if (value instanceof List<?> list) {
            return list.stream().map(Json::widened).toList();
        }
        if (value instanceof Map<?, ?> map) {
            var found = new LinkedHashMap<String, Object>();
            map.forEach((key, one) -> found.put(key.toString(), widened(one)));
            return found;
        }
        return value;
    }

    /** The element id of a node. */
    static String node(Map<String, Object> object, String field) {
        return elementId(object.get(field), field);
    }

    /** The element ids of the nodes of several paths. */
    static List<List<String>> paths(Map<String, Object> object, String field) {
        return list(object.get(field), field).stream()
                .map(path -> list(path, field).stream()
                        .map(node -> elementId(node, field))
                        .toList())
                .toList();
    }

    private static List<?> list(Object value, String field) {
        if (value instanceof List<?> list) {
            return list;
        }
        throw unreadable("the field " + field + " is not a list of lists");
    }

    private static String elementId(Object value, String field) {
        if (value instanceof Map<?, ?> node && node.get("element_id") instanceof String elementId) {
            return elementId;
        }
        throw unreadable("the field " + field + " names no node");
    }

    static ServiceException unreadable(String why) {
        return new ServiceException(
                UNREADABLE,
                "The answer of the relpred service cannot be read: " + why + ".",
                "Are the jar (" + Version.JAR
                        + ") and the service of the same version? CALL relpred.health() shows both.");
    }

    private static String start(byte[] text) {
        var whole = new String(text, StandardCharsets.UTF_8);
        return whole.length() <= 60 ? whole : whole.substring(0, 60) + "...";
    }
}
