// Members of a room in Python.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const LISTENER = new URL('listener.py', import.meta.url).pathname;

/** What such a member prints of a message. */
export const digest = (message) => createHash('sha256').update(message).digest('hex');

/** Starts one with this Python; gives what it prints, line by line. */
export async function pythonMember(t, command, url, kind) {
  const child = spawn(command, [LISTENER, url, kind], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the ${kind} member in Python has ended`);
    return value;
  };
  if (await next() !== 'open') throw new Error(`the ${kind} member in Python did not come in`);
  return { next, say: (text) => child.stdin.write(`${text}\n`), ended: once(child, 'exit') };
}
