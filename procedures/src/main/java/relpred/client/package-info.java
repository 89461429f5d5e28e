/** Asks the relpred service. Knows only the JDK and a JSON library that the jar carries under a name of its own. */
package relpred.client;
