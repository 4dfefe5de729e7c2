// Sequence-number arithmetic (RFC 9293 3.4): a circular space of 2^32 kept in signed int32, which V8 holds unboxed. This is
// the only file that may compare sequence numbers with `<`.

/** The distance from `b` to `a`, negative when `a` comes before `b`. */
export const diff = (a: number, b: number): number => (a - b) | 0;
export const add = (a: number, bytes: number): number => (a + bytes) | 0;
export const lt = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const leq = (a: number, b: number): boolean => ((a - b) | 0) <= 0;
export const gt = (a: number, b: number): boolean => ((a - b) | 0) > 0;
export const geq = (a: number, b: number): boolean => ((a - b) | 0) >= 0;
export const max = (a: number, b: number): number => (((a - b) | 0) >= 0 ? a : b);
export const min = (a: number, b: number): number => (((a - b) | 0) <= 0 ? a : b);
/** True when `first` =< `x` < `first` + `size`, `size` at most 2^31 - 1. */
export const inWindow = (x: number, first: number, size: number): boolean => {
  const offset = (x - first) | 0;
  return offset >= 0 && offset < size;
};
