// Members of a room in Python.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What such a member prints of a message. */
export const digest = (message) => createHash('sha256').update(message).digest('hex');

/** Starts a script with this Python; gives what it prints, line by line. */
export async function start(t, command, script, ...args) {
  const path = new URL(script, import.meta.url).pathname;
  const child = spawn(command, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ${args.join(' ')} has ended`);
    return value;
  };
  return { next, say: (text) => child.stdin.write(`${text}\n`), ended: once(child, 'exit') };
}

/** Starts a member with this Python. */
export async function pythonMember(t, command, url, kind) {
  const member = await start(t, command, 'listener.py', url, kind);
  if (await member.next() !== 'open') throw new Error(`the ${kind} member did not come in`);
  return member;
}
