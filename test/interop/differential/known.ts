// Where the stack is meant to differ from the kernel: by the case, what is different, and why. `docs/rfc.md` has the same table for
// readers, and a test compares both.

/** One case in which both do not do the same. */
export interface Difference {
  /** Name of the script. */
  readonly of: string;
  /** The step at which they part. */
  readonly step: string;
  readonly kernel: string;
  readonly stack: string;
  readonly why: string;
}

export const KNOWN: readonly Difference[] = [
  {
    of: '4 in SYN-SENT comes a SYN-ACK of something else',
    step: '< S. 0:0(0) ack 77 win 65535 <mss 1000>',
    kernel: 'resets, and sends its SYN again at once',
    stack: 'resets, and sends its SYN again when its timer says',
    why: 'RFC 9293 3.10.7.3 asks for the reset alone',
  },
  {
    of: '5 in SYN-SENT comes a bare SYN',
    step: '< S 0:0(0) win 65535 <mss 1000>',
    kernel: 'SYN-ACK with every option that its SYN had',
    stack: 'SYN-ACK with those that the SYN of the peer has too',
    why: 'RFC 7323 1.3: an option stands on a SYN-ACK only if the SYN had it',
  },
  {
    of: '11 a SYN is sent again',
    step: 'connect 10.0.0.2:8080',
    kernel: 'after 1, 1 and 1 s (tcp_syn_linear_timeouts), then 1, 2, 4 …',
    stack: 'after 1, 2, 4 … s',
    why: 'RFC 6298 5.5 doubles each time; tcp_syn_linear_timeouts is 4 there and 0 here',
  },
  {
    of: '13 a shift of 15',
    step: 'write 20000',
    kernel: 'PSH on the tenth segment',
    stack: 'no PSH before the end of what was written',
    why: 'the kernel pushes each packet that it cuts by itself, and here it ends with the window',
  },
  {
    of: '56 the window shrinks below what is in flight',
    step: 'write 1000',
    kernel: 'does not take a smaller window of an equal segment, unless it is 0',
    stack: 'takes it and waits',
    why: 'RFC 9293 3.10.7.4: SND.WL2 =< SEG.ACK updates the window',
  },
  {
    of: '60 TIME-WAIT, a reset',
    step: '< F. 1:1(0) ack 2 win 65535',
    kernel: 'has forgotten the connection',
    stack: 'is in TIME-WAIT still',
    why: 'RFC 1337 3; tcp_rfc1337 is off in the kernel and on here',
  },
  {
    of: 'E1 port unreachable in ESTABLISHED',
    step: 'so_error',
    kernel: 'SO_ERROR tells the soft error',
    stack: 'tells it when the connection times out',
    why: 'RFC 1122 4.2.3.9 lets the connection go on; a program that looks at SO_ERROR takes it for dead',
  },
];
