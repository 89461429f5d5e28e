package relpred.client;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.TreeSet;

/** Finds the word that was probably meant. */
public final class Words {
    private Words() {}

    /** A hint that names the nearest known word, or all of them when none is near. */
    public static String didYouMean(String wrong, Collection<String> known) {
        var sorted = new TreeSet<>(known);
        String given = wrong.toLowerCase(Locale.ROOT);
        return sorted.stream()
                .filter(word -> distance(given, word.toLowerCase(Locale.ROOT)) <= Math.max(2, word.length() / 3))
                .min(Comparator.comparingInt(word -> distance(given, word.toLowerCase(Locale.ROOT))))
                .map(word -> "Did you mean " + word + "?")
                .orElse("Known are: " + String.join(", ", sorted) + ".");
    }

    /** How many letters have to be changed, added or dropped to come from one word to the other (Levenshtein). */
    private static int distance(String from, String to) {
        int[] row = new int[to.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[to.length()];
    }
}
