// What `node:http` looks for in the `_handle` of a socket of Node's.

import { AsyncResource } from 'node:async_hooks';

/** Something whose events run in a scope. */
interface Scoped {
  scope: AsyncResource;
}

/** The part of Node's handles that `node:http` uses: an Agent says by it that a socket belongs to another request from now on. */
export class HttpHandle {
  /** For `node:http` to write down whether it wants to read. */
  reading = true;
  private readonly owner: Scoped;

  constructor(owner: Scoped) {
    this.owner = owner;
  }

  asyncReset(): void {
    this.owner.scope = new AsyncResource('MTCPSOCKET');
  }

  getAsyncId(): number {
    return this.owner.scope.asyncId();
  }

  getProviderType(): string {
    return 'MTCPSOCKET';
  }

  // The stream sees to these itself.
  readStart(): void {}
  readStop(): void {}
}
