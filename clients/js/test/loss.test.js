// Connections that are lost, on the real relay: nothing missing, nothing twice, or a gap told.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import WebSocket from 'ws';
import { connect } from '../fanfare.js';
import { startCuttable } from './cuttable.js';
import { next, startRelay } from './relay.js';

const PATIENCE = { timeout: 60_000 };
const options = { WebSocket, backoffBaseMs: 20, backoffMaxMs: 100, queueMessages: 1000 };
const HISTORY = ['--history-messages', '1000', '--drain', '0.1'];

/** A relay that ends with the test. */
async function relayFor(t, flags, port) {
  const relay = await startRelay(flags, port);
  t.after(() => relay.stop('SIGKILL'));
  return relay;
}

/** A room that is closed with the test; `told` has what it told, in order. */
async function enter(t, url, more = {}) {
  const room = connect(`${url}/news`, { ...options, ...more });
  t.after(() => room.close());
  const told = [];
  room.on('message', (data) => told.push(data));
  room.on('gap', ({ missed }) => told.push(missed ? 'GAP' : 'DROPPED'));
  await room.ready;
  return { room, told };
}

/** A member of before, without a subprotocol. */
async function raw(t, url) {
  const socket = new WebSocket(`${url}/news`);
  t.after(() => socket.terminate());
  const heard = [];
  socket.on('message', (data) => heard.push(`${data}`));
  await once(socket, 'open');
  return { socket, heard };
}

const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 5); });
};
const numbered = (name, count) => Array.from({ length: count }, (_, n) => `${name} ${n}`);

test('the network is cut again and again: all arrives, in order, once, both ways', PATIENCE, async (t) => {
  const relay = await relayFor(t, HISTORY);
  const network = await startCuttable(t, relay);
  const { room, told } = await enter(t, network.url);
  const other = await raw(t, relay.url);
  const answers = [];
  for (const [n, text] of numbered('theirs', 300).entries()) {
    other.socket.send(text);
    answers.push(room.publish(`mine ${n}`));
    if (n % 20 === 10) network.cut();
    if (n % 20 === 15) await room.ready;
  }
  const ids = await Promise.all(answers);
  await until(() => told.at(-1) === 'theirs 299' && other.heard.length >= 300);
  assert.deepEqual(told, numbered('theirs', 300));
  assert.deepEqual(other.heard, numbered('mine', 300));
  const sequences = ids.map((id) => Number(id.split(':')[0]));
  assert.deepEqual(sequences, [...new Set(sequences)].sort((a, b) => a - b));
  assert.equal(new Set(ids.map((id) => id.split(':')[1])).size, 1);
});

test('what the room does not keep is told as a gap, at its place', PATIENCE, async (t) => {
  const relay = await relayFor(t, ['--history-messages', '3']);
  const network = await startCuttable(t, relay);
  const { room, told } = await enter(t, network.url, { backoffBaseMs: 1000, random: () => 1 });
  const other = await raw(t, relay.url);
  other.socket.send('before');
  await until(() => told.length);
  const lost = next(room, 'close');
  network.cut();
  await lost;
  numbered('away', 5).forEach((text) => other.socket.send(text));
  await until(() => told.at(-1) === 'away 4');
  assert.deepEqual(told, ['before', 'GAP', 'away 2', 'away 3', 'away 4']);
});

for (const signal of ['SIGKILL', 'SIGTERM']) {
  test(`a relay that ends with ${signal} and starts again: a gap is told, and what waits leaves`, PATIENCE, async (t) => {
    const first = await relayFor(t, HISTORY);
    const { room, told } = await enter(t, first.url);
    assert.match(await room.publish('one'), /^1:/);
    const lost = next(room, 'close');
    await first.stop(signal);
    await lost;
    const answer = room.publish('two');
    const second = await relayFor(t, HISTORY, first.port);
    assert.match(await answer, /^\d+:/);
    const other = await raw(t, second.url);
    other.socket.send('theirs');
    await until(() => told.includes('theirs'));
    assert.deepEqual(told, ['GAP', 'theirs']);
    const late = await enter(t, second.url, { last: 10 });
    await until(() => late.told.includes('theirs'));
    assert.deepEqual(late.told, ['two', 'theirs']);
  });
}

test('a restart of a program goes on behind the stored id, and a new one begins with the newest', PATIENCE, async (t) => {
  const relay = await relayFor(t, HISTORY);
  const other = await raw(t, relay.url);
  const { room, told } = await enter(t, relay.url);
  other.socket.send('a');
  await until(() => told.length);
  const { id } = room;
  room.close();
  other.socket.send('b');
  other.socket.send('c');
  const again = await enter(t, relay.url, { lastEventId: id });
  await until(() => again.told.length === 2);
  const late = await enter(t, relay.url, { last: 1 });
  await until(() => late.told.length);
  assert.deepEqual([again.told, late.told], [['b', 'c'], ['c']]);
});

test('in a room without history nothing missed is no gap, and anything missed is one', PATIENCE, async (t) => {
  const relay = await relayFor(t, []);
  const network = await startCuttable(t, relay);
  const { room, told } = await enter(t, network.url, { backoffBaseMs: 500, random: () => 1 });
  const other = await raw(t, relay.url); // it keeps the room open
  const cut = async () => {
    const lost = next(room, 'close');
    network.cut();
    await lost;
  };
  await cut();
  await room.ready;
  other.socket.send('a');
  await until(() => told.length);
  await cut();
  other.socket.send('missed');
  await room.ready;
  other.socket.send('b');
  await until(() => told.at(-1) === 'b');
  assert.deepEqual(told, ['a', 'GAP', 'b']);
});

test('a relay with --echo sends own messages back once, also after a loss', PATIENCE, async (t) => {
  const relay = await relayFor(t, ['--echo', ...HISTORY]);
  const network = await startCuttable(t, relay);
  const { room, told } = await enter(t, network.url);
  await room.publish('one');
  await until(() => told.length);
  const answer = room.publish('two');
  const lost = next(room, 'close');
  network.cut();
  await lost;
  await answer;
  await room.publish('three');
  await until(() => told.includes('three'));
  assert.deepEqual(told, ['one', 'two', 'three']);
});

test('a token that expires is replaced by the next one, and nothing is missed', PATIENCE, async (t) => {
  const secret = 'a secret of thirty-two bytes, no less';
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (claims) => {
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const relay = await relayFor(t, [...HISTORY, '--token-key',
    `base64:${Buffer.from(secret).toString('base64')}`]);
  const other = await enter(t, relay.url, { token: token({ sub: 'bo' }) });
  await other.room.publish('before');
  let lives = 2; // seconds, until one has expired
  const { room, told } = await enter(t, relay.url, { last: 1, token: async () => (
    token({ sub: 'ana', exp: Math.floor(Date.now() / 1000) + lives })) });
  const { willReconnect } = await next(room, 'close', ({ code }) => code === 4401);
  lives = 600;
  assert.equal(willReconnect, true);
  await other.room.publish('meanwhile or later');
  await until(() => told.includes('meanwhile or later'));
  assert.deepEqual(told, ['before', 'meanwhile or later']);
  await assert.rejects(enter(t, relay.url, { maxAttempts: 0 }), /closed: 1006/);
});
