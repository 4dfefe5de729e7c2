// The stack in the benchmark's lab: one context with Linux's defaults, and room for the connections of the case.

import * as mtcp from '../../src/index.js';
import { LAB_PREFIX, LAB_STACK_ADDRESS, LAB_STACK_INTERFACE, stackNamespace } from '../../src/nic/os/lab.js';

/** Where the stack sits in a lab. */
export function placeIn(lab: string, maxConcurrency: number): mtcp.MtcpOptions {
  return {
    netns: stackNamespace(lab),
    iface: LAB_STACK_INTERFACE,
    address: `${LAB_STACK_ADDRESS}/${LAB_PREFIX}`,
    maxConcurrency,
  };
}

/** Attaches a context in a lab. */
export function openContext(lab: string, maxConcurrency: number): mtcp.Mctx {
  const result = mtcp.mtcp_init(placeIn(lab, maxConcurrency));
  const mctx = result < 0 ? null : mtcp.mtcp_create_context(0);
  if (mctx === null) throw new Error(mtcp.mtcp_last_error());
  return mctx;
}
