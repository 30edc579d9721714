// The real relay, for tests: starts it, and ends it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const BIN = process.env.FANFARE_BIN
  ?? new URL('../../../target/release/fanfare', import.meta.url).pathname;

/** Starts a relay on `port` (0: any); gives its address and how to stop it. */
export async function startRelay(flags = [], port = 0) {
  const child = spawn(BIN, ['--listen', `127.0.0.1:${port}`, '--log-level', 'warn', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /listens on 127\.0\.0\.1:(\d+)/.exec(line);
    if (!found) continue;
    const number = Number(found[1]);
    const stop = (signal = 'SIGTERM') => { child.kill(signal); return ended; };
    return { port: number, url: `ws://127.0.0.1:${number}`, stop };
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
