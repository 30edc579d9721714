// The client against the real relay.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { connect } from '../fanfare.js';
import { next, startRelay } from './relay.js';

const options = { WebSocket, backoffBaseMs: 20 };
let relay;
before(async () => { relay = await startRelay(['--heartbeat', 'ping=pong']); });
after(() => relay.stop());

async function pair(path, more = {}) {
  const rooms = [0, 1].map(() => connect(`${relay.url}${path}`, { ...options, ...more }));
  await Promise.all(rooms.map((room) => room.ready));
  return rooms;
}

test('text is a string and binary an ArrayBuffer, and the sender receives nothing', async () => {
  const [one, two] = await pair('/kinds');
  one.on('message', () => assert.fail('an echo'));
  let heard = next(two, 'message');
  one.send('grüße 你好 🎺');
  assert.equal(await heard, 'grüße 你好 🎺');
  heard = next(two, 'message');
  one.send(new Uint8Array([1, 2, 255]).buffer);
  assert.deepEqual(new Uint8Array(await heard), new Uint8Array([1, 2, 255]));
  one.close();
  two.close();
});

test('json is parsed and serialised, a byte order mark is removed, and invalid JSON is an error', async () => {
  const [one, two] = await pair('/json', { json: true });
  let heard = next(two, 'message');
  one.send({ a: [1, 'zwei'] });
  assert.deepEqual(await heard, { a: [1, 'zwei'] });
  const raw = connect(`${relay.url}/json`, options);
  await raw.ready;
  heard = next(two, 'message');
  raw.send(' \uFEFF{"b":2}');
  assert.deepEqual(await heard, { b: 2 });
  const error = next(two, 'error');
  raw.send('{nonsense');
  assert.equal((await error).data, '{nonsense');
  [one, two, raw].forEach((room) => room.close());
});

test('messages sent before the connection is open arrive, in order', async () => {
  const listener = connect(`${relay.url}/early`, options);
  await listener.ready;
  const heard = [];
  const all = new Promise((resolve) => {
    listener.on('message', (data) => { if (heard.push(data) === 3) resolve(); });
  });
  const early = connect(`${relay.url}/early`, options);
  assert.equal(early.state, 'connecting');
  ['a', 'b', 'c'].forEach((data) => early.send(data));
  await all;
  assert.deepEqual(heard, ['a', 'b', 'c']);
  early.close();
  listener.close();
});

test('the heartbeat is answered by the relay and stays between the two', async () => {
  const [one, two] = await pair('/heartbeat', { heartbeat: ['ping', 'pong'], pingIntervalMs: 30 });
  const stray = () => assert.fail('the heartbeat was heard');
  one.on('message', stray);
  two.on('message', stray);
  const off = one.on('close', stray);
  const heard = [];
  const raw = one._socket.onmessage;
  await new Promise((resolve) => {
    one._socket.onmessage = (event) => {
      raw(event);
      if (heard.push(event.data) === 3) resolve();
    };
  });
  assert.deepEqual(heard, ['pong', 'pong', 'pong']);
  off();
  [one, two].forEach((room) => room.close());
  assert.equal(one.state, 'closed');
});

test('the room survives a restart of the relay, and reports it', async () => {
  const own = await startRelay();
  const room = connect(`${own.url}/restart`, options);
  await room.ready;
  const closed = next(room, 'close');
  await own.stop();
  const { code, willReconnect } = await closed;
  assert.deepEqual([code, willReconnect, room.state], [1012, true, 'reconnecting']);
  room.send('kept');
  const gap = next(room, 'gap');
  const again = await startRelay([], own.port);
  await room.ready;
  assert.equal(room.state, 'open');
  assert.ok((await gap).awayMs > 0);
  room.close();
  await again.stop();
});

test('after a broken rule the room does not reconnect', async () => {
  const room = connect(`${relay.url}/long`, options);
  await room.ready;
  const closed = next(room, 'close');
  room.send('x'.repeat(70_000));
  const detail = await closed;
  assert.deepEqual([detail.code, detail.willReconnect, room.state], [1009, false, 'closed']);
  assert.equal(room.send('more'), false);
  await assert.rejects(connect('nonsense:', options).ready);
});

test('a relay with --json spells texts for raw clients as JSON strings, and the heartbeat as it is', async () => {
  const own = await startRelay(['--json', '--heartbeat', 'ping=pong']);
  const [one, two, member] = await Promise.all([true, true, false].map(async (raw) => {
    const room = connect(`${own.url}/json`, { ...options, raw, json: true, heartbeat: ['ping', 'pong'] });
    await room.ready;
    return room;
  }));
  const answered = next(one, 'pong');
  one.ping();
  assert.ok((await answered).roundTripMs > 0);
  const heard = next(two, 'message');
  const plain = next(member, 'message');
  one.send({ a: 1 });
  assert.equal(await heard, '{"a":1}');
  assert.deepEqual(await plain, { a: 1 }, 'fanfare.v1 has its own envelope');
  await assert.rejects(member.publish(new ArrayBuffer(1)), { code: 'binary_in_json' });
  const refused = next(one, 'close');
  one.send(new ArrayBuffer(1));
  const { code, willReconnect } = await refused;
  assert.deepEqual([code, willReconnect, one.state], [1003, false, 'closed']);
  two.close();
  member.close();
  await own.stop();
});

test('closing is final in every state, and rejects pending promises', async () => {
  const room = connect(`${relay.url}/close`, options);
  const waits = room.ready;
  const closed = next(room, 'close');
  room.close();
  room.close();
  await assert.rejects(waits, /closed/);
  assert.equal((await closed).willReconnect, false);
  const open = connect(`${relay.url}/close`, options);
  await open.ready;
  open.close(4000, 'bye');
  assert.equal(open.state, 'closed');
});

/** Keeps its context when it compresses, though it agreed not to: as Safari 15 and Tornado do. */
class Keeper extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { perMessageDeflate: { threshold: 0 } });
    this.on('open', () => {
      const agreed = this._extensions['permessage-deflate'];
      if (agreed) delete agreed.params.client_no_context_takeover;
    });
  }
}

test('a platform that keeps its compression context reconnects without compression', async () => {
  const deflating = await startRelay(['--deflate']);
  const url = `${deflating.url}/a?x=1`;
  const keeper = connect(url, { ...options, WebSocket: Keeper });
  const other = connect(url, options);
  await Promise.all([keeper.ready, other.ready]);
  for (const text of ['the same text', 'the same text']) {
    const heard = next(other, 'message');
    const lost = next(keeper, 'close');
    const back = next(keeper, 'open');
    keeper.send(text);
    const event = await Promise.race([heard, lost]);
    if (event === text) continue;
    assert.deepEqual([event.code, event.willReconnect], [1007, true]);
    await back;
    keeper.send(text);
    assert.equal(await heard, text);
  }
  keeper.send('the same text, and more');
  assert.equal(await next(other, 'message'), 'the same text, and more');
  assert.equal(keeper._plain, true, 'it was needed');
  [keeper, other].forEach((room) => room.close());
  await deflating.stop();
});
