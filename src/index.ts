// What the package gives: mTCP's calls, constants and errors. `<package>/testing` has the virtual host, `<package>/nic` the
// Nic contract and its implementations, `<package>/stack` the protocol.

export * from './api/index.js';
