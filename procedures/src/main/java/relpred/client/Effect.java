package relpred.client;

/** What asking does to the graph, and so whether it may be asked again when its answer was lost. */
enum Effect {
    /** Nothing. */
    NONE,
    /** The same, however often it is asked. */
    SAME,
    /** Something else the second time. */
    ONCE;

    private static final String LOOK = "It may still be carried out: look with relpred.review.list, relpred.run.list or"
            + " relpred.job.list before you ask again. Locks of your own transaction on these nodes would hold it up. ";

    /** What to do when nobody knows how it ended. */
    String remedy(String usual) {
        return this == NONE ? usual : LOOK + usual;
    }
}
