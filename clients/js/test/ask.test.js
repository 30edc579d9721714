// An address and a token that a function gives, for each connection anew.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { join, pass, stopClock } from './fake-socket.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());
/** Lets promises that are settled go on. */
const turn = () => new Promise((resolve) => { setImmediate(resolve); });

test('address and token are asked for before each attempt, and again after 4401', async () => {
  let asked = 0;
  const { room, made, newest, told } = join({
    token: async () => `t${asked += 1}`,
  }, () => `ws://relay/${asked}`);
  assert.equal(made.length, 0);
  await turn();
  assert.deepEqual([newest().url, newest().protocols.at(-1)], ['ws://relay/0', 'fanfare.token.t1']);
  newest().open();
  newest().end(4401, 'token expired');
  assert.equal(told('close')[0].willReconnect, true);
  pass(500);
  await turn();
  assert.deepEqual([newest().url, newest().protocols.at(-1)], ['ws://relay/1', 'fanfare.token.t2']);
  room.close();
});

test('a token that is text is the only one: 4401 is final', () => {
  const { room, newest } = join({ token: 'x' });
  newest().open();
  newest().end(4401, 'token expired');
  assert.equal(room.state, 'closed');
});

test('a function that fails is an error event, and asked again after a delay', async () => {
  const answers = [() => { throw new Error('no token today'); }, () => Promise.reject(new Error('nor now')),
    () => undefined, () => 'ws://relay/'];
  const { room, made, told } = join({}, () => answers.shift()());
  await turn();
  assert.equal(room.state, 'reconnecting');
  for (const delayMs of [500, 1000, 2000]) {
    pass(delayMs);
    await turn();
  }
  assert.deepEqual(told('error').map(({ message }) => message),
    ['no token today', 'nor now', 'the address is not text']);
  assert.equal(made.length, 1);
  room.close();
});

test('an answer that comes after its time, or after the end, is ignored', async () => {
  const answers = [];
  const { room, made, told } = join({}, () => new Promise((resolve) => { answers.push(resolve); }));
  await turn();
  pass(15_000);
  assert.equal(told('close')[0].reason, 'no answer');
  pass(500);
  await turn();
  assert.equal(answers.length, 2);
  answers[0]('ws://relay/late');
  await turn();
  assert.equal(made.length, 0);
  answers[1]('ws://relay/now');
  await turn();
  assert.deepEqual(made.map(({ url }) => url), ['ws://relay/now']);
  room.close();
  const closed = join({}, () => new Promise((resolve) => { answers.push(resolve); }));
  await turn();
  closed.room.close();
  answers[2]('ws://relay/closed');
  await turn();
  assert.equal(closed.made.length, 0);
});
