// Which service `mtcp serve` runs, as plain data, so that every core can make its own.

import { CliError, messageOf } from '../failure.js';
import { ChargenService } from './chargen.js';
import { DiscardService } from './discard.js';
import { EchoService } from './echo.js';
import { FixedService } from './fixed.js';
import { HttpService } from './http.js';
import { BuiltInSite, FileSite } from './http-content.js';
import type { Service } from './session.js';

/** A service and its options. */
export interface ServiceChoice {
  readonly name: 'echo' | 'discard' | 'chargen' | 'fixed' | 'http';
  readonly port: number;
  /** fixed: bytes of a reply, and of a request (0: whatever arrives at once). */
  readonly replyBytes: number;
  readonly requestBytes: number;
  /** http: the folder to serve; a page of its own when undefined. */
  readonly root: string | undefined;
}

/** Makes the service. Throws CliError when the folder cannot be served. */
export function makeService({ name, replyBytes, requestBytes, root }: ServiceChoice): Service {
  switch (name) {
    case 'echo':
      return new EchoService();
    case 'discard':
      return new DiscardService();
    case 'chargen':
      return new ChargenService();
    case 'fixed':
      return new FixedService(replyBytes, requestBytes);
    case 'http':
      return new HttpService(makeSite(root));
  }
}

function makeSite(root: string | undefined): BuiltInSite | FileSite {
  if (root === undefined) return new BuiltInSite();
  try {
    return new FileSite(root);
  } catch (error) {
    throw new CliError(
      `--root ${root} cannot be served (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`,
    );
  }
}
