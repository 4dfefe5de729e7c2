// What a core of cores-lifecycle.test.ts can be told to do: words of the memory that it shares with the test.

/** What a core is to do, in the word of its number. */
export const RUN = 0;
export const FAIL_TO_LOAD = 1;
export const LOAD_FOR_EVER = 2;
export const RETURN = 3;
export const THROW = 4;
/** Sends back what it is sent. */
export const REPEAT = 5;
/** Tells what becomes of a context for another core. */
export const TRESPASS = 6;
/** Takes some time to end when it is asked to. */
export const LINGER = 7;
