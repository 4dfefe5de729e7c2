// How fast the machine is at a moment: a fixed piece of arithmetic, in registers alone. A hypervisor may stop a CPU
// or slow it down, and nothing in the machine tells of it but work that takes longer than it usually does.

const STEPS = 20_000;
/** Pieces of which the usual one is the median. */
const PIECES = 31;
/**
 * A machine is slow when pieces take so many times the usual, and so many of them one after another: one may have
 * been interrupted.
 */
export const SLOW = 2;
const IN_A_ROW = 3;

let state = 1;

/** The piece of work: some tens of microseconds, or hundreds as long as V8 does not find it worth optimising. */
function work(): void {
  let x = state;
  for (let i = 0; i < STEPS; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
  state = x;
}

/** Knows how long the piece usually takes. */
export class Pace {
  readonly #now: () => number;
  readonly #work: () => void;
  readonly #pieces = new Float64Array(PIECES);
  readonly #sorted = new Float64Array(PIECES);
  #next = 0;

  constructor(now: () => number = () => performance.now(), piece: () => void = work) {
    this.#now = now;
    this.#work = piece;
    for (let i = 0; i < PIECES; i++) this.take();
  }

  /** The median of the last pieces, in ms. */
  get usualMs(): number {
    this.#sorted.set(this.#pieces);
    return this.#sorted.sort()[PIECES >> 1];
  }

  /** Does a piece, to be called now and then; how long it took, in ms. */
  take(): number {
    const ms = this.#measure();
    this.#pieces[this.#next] = ms;
    this.#next = (this.#next + 1) % PIECES;
    return ms;
  }

  /** Does pieces that are not to become usual, and tells whether the machine is slow now. */
  isSlow(): boolean {
    const limitMs = SLOW * this.usualMs;
    for (let i = 0; i < IN_A_ROW; i++) if (this.#measure() <= limitMs) return false;
    return true;
  }

  #measure(): number {
    const start = this.#now();
    this.#work();
    return this.#now() - start;
  }
}
