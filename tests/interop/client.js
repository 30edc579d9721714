// A relay that ends with its test, and clients that keep received messages.
//
// FANFARE_BIN names the relay's binary.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

export { WebSocket };

const BIN =
  process.env.FANFARE_BIN ?? fileURLToPath(new URL('../../target/release/fanfare', import.meta.url));

// What does not come at all must fail a test, not hang it.
export const PATIENCE = { timeout: 60_000 };

// Starts a relay that ends with the test; gives the base of its addresses.
export async function relay(t, ...flags) {
  const child = spawn(BIN, ['--listen', '127.0.0.1:0', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, 'line'),
    once(lines, 'close').then(() => assert.fail('the relay ended before it listened')),
  ]);
  return line.match(/ws:\/\/[0-9.:]+/)[0];
}

// A client that keeps received messages until a test reads them.
export class Client {
  heard = [];
  waiting = [];

  static async join(t, url, options) {
    const client = new Client();
    client.socket = new WebSocket(url, options);
    client.closed = new Promise((resolve) => {
      client.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    t.after(() => client.socket.terminate());
    client.socket.on('message', (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      const next = client.waiting.shift();
      if (next) next.resolve(message);
      else client.heard.push(message);
    });
    client.closed.then(({ code }) => {
      for (const next of client.waiting) next.reject(new Error(`closed with ${code}`));
    });
    await once(client.socket, 'open');
    return client;
  }

  static joinAll(t, count, url) {
    return Promise.all([...Array(count)].map(() => Client.join(t, url)));
  }

  next() {
    if (this.heard.length > 0) return Promise.resolve(this.heard.shift());
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  send(data, options) {
    this.socket.send(data, options ?? {});
  }
}
