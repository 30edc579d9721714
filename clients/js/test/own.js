// Places of this test process alone, for tests that close a port and use it again.
//
// Parts of the tests run at the same time, and the kernel gives a port that was closed to any program
// that asks for one. So each process draws an address of 127.0.0.0/8, all of which is this machine's,
// and counts ports that lie below those the kernel gives (32768 and up).
import { randomInt } from 'node:crypto';

/** The address. */
export const HOST = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;

let port = 20_000;

/** A port of `HOST` that no other call has given. */
export function ownPort() {
  port += 1;
  return port;
}
