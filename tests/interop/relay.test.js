// The real relay and node's `ws`: a client that was written by others, in another language.
//
// FANFARE_BIN names the relay's binary. Nothing waits for time: only for what must come.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import WebSocket from 'ws';

const BIN = process.env.FANFARE_BIN ?? '../../target/release/fanfare';

// Starts a relay that ends with the test; gives the base of its addresses.
async function relay(t, ...flags) {
  const child = spawn(BIN, ['--listen', '127.0.0.1:0', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return line.match(/ws:\/\/[0-9.:]+/)?.[0] ?? line;
}

// A client that keeps what it hears until somebody asks for it.
class Client {
  heard = [];
  waiting = [];

  static async join(t, url) {
    const client = new Client();
    client.socket = new WebSocket(url, { perMessageDeflate: true });
    t.after(() => client.socket.terminate());
    client.socket.on('message', (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      const next = client.waiting.shift();
      if (next) next(message);
      else client.heard.push(message);
    });
    await once(client.socket, 'open');
    return client;
  }

  next() {
    if (this.heard.length > 0) return Promise.resolve(this.heard.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  send(data, options) {
    this.socket.send(data, options ?? {});
  }
}

test('a message reaches everyone else and keeps its kind', async (t) => {
  const base = await relay(t);
  const [a, b, c] = await Promise.all([1, 2, 3].map(() => Client.join(t, `${base}/`)));
  a.send('你好 🎺');
  a.send(Buffer.from([0, 255, 1]));
  a.send('');
  for (const other of [b, c]) {
    assert.equal(await other.next(), '你好 🎺');
    assert.deepEqual(await other.next(), Buffer.from([0, 255, 1]));
    assert.equal(await other.next(), '');
  }
  b.send('back');
  assert.equal(await a.next(), 'back', 'the first thing that the sender itself hears');
});

test('rooms are apart', async (t) => {
  const base = await relay(t);
  const news = await Client.join(t, `${base}/news?token=x`);
  const same = await Client.join(t, `${base}/%6eews`);
  const other = await Client.join(t, `${base}/other`);
  other.send('not for you');
  same.send('for you');
  assert.equal(await news.next(), 'for you');
});

test('fragments leave as one message, also around a ping', async (t) => {
  const base = await relay(t);
  const [a, b] = await Promise.all([1, 2].map(() => Client.join(t, `${base}/`)));
  a.send('one ', { fin: false });
  a.socket.ping('between');
  a.send('two ', { fin: false });
  a.send('three', { fin: true });
  const [payload] = await once(a.socket, 'pong');
  assert.equal(payload.toString(), 'between');
  assert.equal(await b.next(), 'one two three');
});

test('a close is answered with its own code', async (t) => {
  const base = await relay(t);
  for (const code of [1000, 1001, 3000, 4999]) {
    const client = await Client.join(t, `${base}/`);
    client.socket.close(code, 'bye');
    const [heard] = await once(client.socket, 'close');
    assert.equal(heard, code);
  }
});

test('a message that is too long is refused with 1009', async (t) => {
  const base = await relay(t, '--max-message', '1000');
  const client = await Client.join(t, `${base}/`);
  client.send('x'.repeat(1001));
  const [code, reason] = await once(client.socket, 'close');
  assert.deepEqual([code, reason.toString()], [1009, 'message too long']);
});

test('a thousand messages reach twenty members in order', async (t) => {
  const base = await relay(t);
  const members = await Promise.all([...Array(20)].map(() => Client.join(t, `${base}/`)));
  const publisher = await Client.join(t, `${base}/`);
  for (let number = 0; number < 1000; number++) publisher.send(String(number));
  for (const member of members) {
    for (let number = 0; number < 1000; number++) {
      assert.equal(await member.next(), String(number));
    }
  }
});

test('--json writes strings as PHP does', async (t) => {
  const base = await relay(t, '--json');
  const [a, b] = await Promise.all([1, 2].map(() => Client.join(t, `${base}/`)));
  for (const text of ['{"a":1}', 'a/b\\c', 'é你\u2028', '🎺', '\u0000\b\t\n\f\r\u007f']) {
    a.send(text);
    const heard = await b.next();
    assert.equal(JSON.parse(heard), text);
    assert.match(heard, /^[\x20-\x7f]*$/, 'nothing beyond ASCII');
    assert.equal(heard.includes('/') && !heard.includes('\\/'), false);
  }
  a.send(Buffer.from('binary'));
  const [code] = await once(a.socket, 'close');
  assert.equal(code, 1003);
});

test('a heartbeat is answered to its sender alone', async (t) => {
  const base = await relay(t, '--heartbeat', 'ping=pong');
  const [a, b] = await Promise.all([1, 2].map(() => Client.join(t, `${base}/`)));
  a.send('ping');
  a.send('pingpong');
  assert.equal(await a.next(), 'pong');
  assert.equal(await b.next(), 'pingpong');
});

test('a Unix socket serves as well', async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), 'fanfare-')), 'relay.sock');
  await relay(t, '--listen', `unix:${path}`);
  const [a, b] = await Promise.all([1, 2].map(() => Client.join(t, `ws+unix:${path}:/room`)));
  a.send('through a file');
  assert.equal(await b.next(), 'through a file');
});
