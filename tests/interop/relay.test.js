// The real relay and node's `ws`: a client that was written by others, in another language.
//
// Tests wait for events, never for time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, PATIENCE, relay } from './client.js';

// PHP's json_encode from JSON.stringify.
function php(text) {
  const hex = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text).replaceAll('/', '\\/').replace(/[\u0080-\uffff]/g, hex);
}

test('a message reaches everyone else and keeps its kind', PATIENCE, async (t) => {
  const base = await relay(t);
  const [a, b, c] = await Client.joinAll(t, 3, `${base}/`);
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

test('node\'s fetch publishes text, bytes and a stream of chunks', PATIENCE, async (t) => {
  const base = await relay(t);
  const member = await Client.join(t, `${base}/news`);
  const publish = async (body, type) => {
    const headers = type ? { 'content-type': type } : {};
    const options = { method: 'POST', body, headers, duplex: 'half' };
    const answer = await fetch(`${base.replace(/^ws/, 'http')}/news`, options);
    return [answer.status, answer.status === 200 ? await answer.json() : await answer.text()];
  };
  const published = [200, { id: null, members: 1 }];
  assert.deepEqual(await publish('你好 🎺'), published);
  assert.equal(await member.next(), '你好 🎺');
  assert.deepEqual(await publish(Uint8Array.of(0, 255, 1), 'application/octet-stream'), published);
  assert.deepEqual(await member.next(), Buffer.from([0, 255, 1]));
  const pieces = new Blob(['one ', 'x'.repeat(60_000), ' two']).stream();
  assert.deepEqual(await publish(pieces, 'text/plain'), published);
  assert.equal(await member.next(), `one ${'x'.repeat(60_000)} two`);
  assert.equal((await publish(Uint8Array.of(255), 'text/plain'))[0], 400);
  assert.equal((await publish('x'.repeat(70_000)))[0], 413);
});

test('--echo: the sender receives it too', PATIENCE, async (t) => {
  const base = await relay(t, '--echo');
  const [a, b] = await Client.joinAll(t, 2, `${base}/`);
  a.send('for all');
  assert.deepEqual([await a.next(), await b.next()], ['for all', 'for all']);
});

test('rooms are apart', PATIENCE, async (t) => {
  const base = await relay(t);
  const news = await Client.join(t, `${base}/news?token=x`);
  const same = await Client.join(t, `${base}/%6eews`);
  const [one, two] = await Client.joinAll(t, 2, `${base}/other`);
  one.send('not for you');
  assert.equal(await two.next(), 'not for you');
  same.send('for you');
  assert.equal(await news.next(), 'for you', 'the first message of this room');
});

test('fragments leave as one message, also around a ping', PATIENCE, async (t) => {
  const base = await relay(t);
  const [a, b] = await Client.joinAll(t, 2, `${base}/`);
  const pong = once(a.socket, 'pong');
  a.send('one ', { fin: false });
  a.socket.ping('between');
  a.send('two ', { fin: false });
  a.send('three', { fin: true });
  assert.equal((await pong)[0].toString(), 'between');
  assert.equal(await b.next(), 'one two three');
  a.send(Buffer.from([1]), { fin: false, binary: true });
  a.send(Buffer.from([2]), { fin: true, binary: true });
  assert.deepEqual(await b.next(), Buffer.from([1, 2]));
});

test('a pong repeats the payload of its ping', PATIENCE, async (t) => {
  const base = await relay(t);
  const client = await Client.join(t, `${base}/`);
  for (const payload of ['', 'hello', 'x'.repeat(125)]) {
    const pong = once(client.socket, 'pong');
    client.socket.ping(payload);
    assert.equal((await pong)[0].toString(), payload);
  }
});

test('a close is answered with its own code', PATIENCE, async (t) => {
  const base = await relay(t);
  for (const code of [1000, 1001, 1014, 3000, 4999]) {
    const client = await Client.join(t, `${base}/`);
    client.socket.close(code, 'bye');
    assert.equal((await client.closed).code, code);
  }
  const client = await Client.join(t, `${base}/`);
  client.socket.close();
  assert.equal((await client.closed).code, 1005, 'none for none');
});

test('a message that is too long is refused with 1009', PATIENCE, async (t) => {
  const base = await relay(t, '--max-message', '1000');
  const [whole, pieces, other] = await Client.joinAll(t, 3, `${base}/`);
  whole.send('y'.repeat(1000));
  assert.equal(await other.next(), 'y'.repeat(1000));
  whole.send('x'.repeat(1001));
  pieces.send('x'.repeat(600), { fin: false });
  pieces.send('x'.repeat(600), { fin: true });
  for (const client of [whole, pieces]) {
    assert.deepEqual(await client.closed, { code: 1009, reason: 'message too long' });
  }
  const last = await Client.join(t, `${base}/`);
  last.send('still here');
  assert.equal(await other.next(), 'still here', 'nothing of it was relayed');
});

test('a thousand messages reach twenty members in order', PATIENCE, async (t) => {
  const base = await relay(t);
  const members = await Client.joinAll(t, 20, `${base}/`);
  const publisher = await Client.join(t, `${base}/`);
  for (let number = 0; number < 1000; number++) publisher.send(String(number));
  for (const member of members) {
    for (let number = 0; number < 1000; number++) {
      assert.equal(await member.next(), String(number));
    }
  }
});

test('--json writes strings as PHP does', PATIENCE, async (t) => {
  const base = await relay(t, '--json');
  const [a, b] = await Client.joinAll(t, 2, `${base}/`);
  // Two as PHP printed them, so that `php` here is not the only witness.
  a.send('{"a":"b/c"}');
  assert.equal(await b.next(), String.raw`"{\"a\":\"b\/c\"}"`);
  a.send('é🎺');
  assert.equal(await b.next(), String.raw`"\u00e9\ud83c\udfba"`);
  const texts = ['', 'a/b\\c"', '你\u2028\ufeff\uffff', '\0\x01\b\t\n\x0b\f\r\x1f\x7f\x80', '🎺'];
  for (const text of texts) {
    a.send(text);
    assert.equal(await b.next(), php(text));
  }
  a.send(Buffer.from('binary'));
  assert.equal((await a.closed).code, 1003);
});

test('a heartbeat is answered to its sender alone', PATIENCE, async (t) => {
  const base = await relay(t, '--heartbeat', 'ping=pong');
  const [a, b] = await Client.joinAll(t, 2, `${base}/`);
  a.send('ping');
  a.send('pingpong');
  assert.equal(await a.next(), 'pong');
  assert.equal(await b.next(), 'pingpong', 'the first thing that the other hears');
});

test('a Unix socket serves the same rooms', PATIENCE, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fanfare-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'relay.sock');
  const base = await relay(t, '--listen', `unix:${path}`);
  const [a, b] = await Client.joinAll(t, 2, `ws+unix:${path}:/room`);
  const c = await Client.join(t, `${base}/room`);
  a.send('through a file');
  assert.deepEqual([await b.next(), await c.next()], ['through a file', 'through a file']);
});
