// The phases of loss recovery that `recovery.ts` moves a connection through, for whoever only asks in which it is.

/** No loss is being repaired. */
export const OPEN = 0;
/** Fast recovery, until SND.UNA reaches `recover`. */
export const RECOVERY = 1;
/** After a retransmission timeout, until SND.UNA reaches `recover`. */
export const LOSS = 2;
/** The window is on its way down because congestion was met without a loss (ECN), until SND.UNA reaches `recover`. */
export const CWR = 3;

/** True while something that was lost is being sent again. */
export function isRepairing(phase: number): boolean {
  return phase === RECOVERY || phase === LOSS;
}
