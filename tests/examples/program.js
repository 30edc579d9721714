// A program that runs beside a test: its lines as they come, and its end.
import { spawn } from 'node:child_process';

const DEADLINE_MS = 20_000; // an interpreter that starts on a busy machine takes seconds

/** Starts a program, perhaps with another environment; it is ended with the test. */
export function start(t, command, args, env = process.env) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const said = { out: '', err: '' };
  const waiting = new Set();
  const look = () => waiting.forEach((check) => check());
  for (const [name, stream] of [['out', child.stdout], ['err', child.stderr]]) {
    stream.setEncoding('utf8').on('data', (text) => { said[name] += text; look(); });
  }
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  // A wait for a program that hangs fails with its output.
  const hangs = new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`it did not end: ${JSON.stringify(said).slice(0, 500)}`));
    }, DEADLINE_MS);
    ended.finally(() => clearTimeout(deadline)).catch(() => {});
  });
  hangs.catch(() => {});
  t.after(() => child.kill('SIGKILL'));

  /** Waits until the output on `out` or `err` matches. */
  const until = (name, fits) => new Promise((resolve, reject) => {
    const over = (work) => {
      clearTimeout(deadline);
      waiting.delete(check);
      work();
    };
    const check = () => { if (fits(said[name])) over(() => resolve(said[name])); };
    const seen = () => JSON.stringify(said).slice(0, 500);
    const fail = (why) => over(() => reject(new Error(`${why}: ${seen()}`)));
    const deadline = setTimeout(() => fail('waited in vain'), DEADLINE_MS);
    waiting.add(check);
    ended.then(() => { if (waiting.has(check)) fail('it ended'); }, (error) => fail(error.message));
    check();
  });
  return { said, until, ended: Promise.race([ended, hangs]), kill: (signal) => child.kill(signal) };
}

/** Waits until `fits` gives something. */
export async function until(fits, what = 'a condition') {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await fits();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}
