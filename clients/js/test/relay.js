// The real relay, for tests: starts it, and ends it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { HOST, ownPort } from './own.js';

const BIN = process.env.FANFARE_BIN
  ?? new URL('../../../target/release/fanfare', import.meta.url).pathname;

/** Starts a relay, which may take the `port` of one that has ended; gives its addresses and how to stop it. */
export async function startRelay(flags = [], port = ownPort()) {
  const place = `${HOST}:${port}`;
  const child = spawn(BIN, ['--listen', place, '--log-level', 'warn', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes(`listens on ${place}`)) continue;
    const stop = (signal = 'SIGTERM') => { child.kill(signal); return ended; };
    return { port, place, url: `ws://${place}`, http: `http://${place}`, stop };
  }
  throw new Error(`${BIN} did not start`);
}

/** The next event of a room, or the next that fits. */
export function next(room, event, fits = () => true) {
  return new Promise((resolve) => {
    const off = room.on(event, (detail) => {
      if (!fits(detail)) return;
      off();
      resolve(detail);
    });
  });
}
