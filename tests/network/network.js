// A relay at the other end of a wire that can be cut. These tests run in the clients' namespace
// (NETWORK_CLIENTS); the relay runs in its own (NETWORK_RELAY). FANFARE_BIN names its binary.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const { FANFARE_BIN: BIN, NETWORK_CLIENTS: CLIENTS, NETWORK_RELAY: RELAY } = process.env;
const run = promisify(execFile);
export const PLACE = '10.46.0.1:2046';

/** Starts a program with a line to be waited for; it ends with the test. */
async function begin(t, command, ...args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  t.after(() => { child.kill('SIGKILL'); return exit; });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, `${command} ${args.join(' ')} has ended`);
    return value;
  };
  await next();
  return { child, next };
}

/** Lays the wire; the function gives it a command. */
export async function startWire(t) {
  const { child, next } = await begin(t, 'python3', new URL('wire.py', import.meta.url).pathname, RELAY, CLIENTS);
  return async (command) => {
    child.stdin.write(`${command}\n`);
    return next();
  };
}

/** Starts the relay, which others reach although the wire is cut: by a Unix socket. */
export async function startRelay(t, ...flags) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-network-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, 'relay.sock');
  await begin(t, 'ip', 'netns', 'exec', RELAY, BIN, '--listen', PLACE, '--listen', `unix:${socketPath}`,
    '--admin', '127.0.0.1:2047', '--log-level', 'warn', ...flags);
  const near = async (options) => {
    const request = http.request({ socketPath, path: '/news', ...options });
    request.end(options.body);
    const [answer] = await once(request, 'response');
    assert.equal(answer.statusCode, 200);
    return { request, answer };
  };
  return {
    async publish(body) {
      const { answer } = await near({ method: 'POST', body });
      return JSON.parse((await answer.setEncoding('utf8').toArray()).join('')).id;
    },
    near,
  };
}

/** What the relay tells its operators, by name; samples with labels are added up. */
export async function metrics() {
  const { stdout } = await run('ip', ['netns', 'exec', RELAY, 'curl', '-s', 'http://127.0.0.1:2047/metrics']);
  const values = {};
  for (const [, name, value] of stdout.matchAll(/^(\w+)(?:\{.*\})? ([0-9.e+]+)$/gm)) {
    values[name] = (values[name] ?? 0) + Number(value);
  }
  return values;
}

/** The relay's connections with clients beyond the wire, as its kernel knows them. */
export async function kernelConnections() {
  const { stdout } = await run('ip', ['netns', 'exec', RELAY, 'cat', '/proc/net/tcp']);
  const clients = ' 02002E0A:'; // 10.46.0.2
  return stdout.split('\n').filter((line) => line.includes(clients)).length;
}

/** Waits until `fits` gives something, for 100 seconds at most. */
export async function until(fits, what) {
  const deadline = Date.now() + 100_000;
  for (;;) {
    const found = await fits();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}
