// How long this process has had a CPU. /proc/self/schedstat would tell it of the main thread alone, but is brought up
// to date at ticks of the kernel only, 4 ms apart: of a turn of 1.5 ms that did nothing but compute, it told in the
// median that none of it was executed.

/** Milliseconds, threads of V8 included: what collects or compiles is the program's own work. */
export function executedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
