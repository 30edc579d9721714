// Reconnecting, heartbeats and the queue, on a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { connect, mayRetry } from '../fanfare.js';
import { fakeSockets } from './fake-socket.js';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());
const pass = (ms) => mock.timers.tick(ms);

function join(options = {}) {
  const sockets = fakeSockets();
  const room = connect('ws://relay/', { WebSocket: sockets.FakeSocket, random: () => 1, ...options });
  const events = [];
  for (const event of ['open', 'close', 'reconnecting', 'gap', 'error', 'message']) {
    room.on(event, (detail) => events.push([event, detail]));
  }
  const told = (name) => events.filter(([event]) => event === name).map(([, detail]) => detail);
  return { ...sockets, room, events, told };
}

test('which closes are final', () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4100, 4200, 3000]) {
    assert.equal(mayRetry(code, 'x'), true, `${code}`);
  }
  for (const code of [1002, 1003, 1007, 1008, 1009, 1010, 3500, 3999, 4001, 4099]) {
    assert.equal(mayRetry(code, 'x'), false, `${code}`);
  }
  assert.equal(mayRetry(1008, 'no pong'), true);
  assert.equal(mayRetry(1008, 'message took too long'), true);
});

test('delays double up to their bound, and begin anew after five good seconds', () => {
  const { room, newest, told } = join();
  for (let n = 0; n < 8; n += 1) {
    newest().end(1006);
    pass(told('reconnecting').at(-1).delayMs);
  }
  const delays = told('reconnecting').map(({ delayMs }) => delayMs);
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
  assert.equal(told('close').length, 1, 'one loss, however long it takes');
  newest().open();
  pass(4999);
  newest().end(1006);
  assert.equal(told('reconnecting').at(-1).delayMs, 20000, 'not stable yet');
  pass(20000);
  newest().open();
  pass(5000);
  newest().end(1000, 'interrupted');
  assert.equal(told('reconnecting').at(-1).delayMs, 500);
  room.close();
});

test('there is full jitter', () => {
  const { room, newest, told } = join({ random: () => 0.25 });
  newest().end(1006);
  newest().end(1006);
  assert.equal(told('reconnecting')[0].delayMs, 125);
  room.close();
});

test('a delay that the server names is waited for', () => {
  const { room, newest, told, made } = join({ random: () => 0.5 });
  newest().end(1013, 'slow consumer; retry-after=30');
  assert.equal(told('reconnecting')[0].delayMs, 30250);
  globalThis.dispatchEvent?.(new Event('online'));
  pass(29999);
  assert.equal(made.length, 1);
  pass(1000);
  assert.equal(made.length, 2);
  room.close();
});

test('a socket that never opens is replaced, and what it says late is not heard', () => {
  const { room, made, told } = join();
  pass(15000);
  assert.equal(told('close')[0].reason, 'no answer');
  pass(500);
  assert.equal(made.length, 2);
  made[0].open();
  made[0].say('late');
  made[0].end(1006);
  assert.equal(room.state, 'reconnecting');
  assert.equal(told('message').length, 0);
  made[1].open();
  assert.equal(room.state, 'open');
  assert.equal(made.length, 2, 'never two at once');
  room.close();
});

test('silence is asked, and after more of it the connection is replaced', () => {
  const { room, made, newest, told } = join({ heartbeat: ['ping', 'pong'] });
  newest().open();
  pass(24999);
  newest().say('life');
  pass(24999);
  assert.deepEqual(newest().sent, []);
  pass(1);
  assert.deepEqual(newest().sent, ['ping']);
  newest().say('pong');
  assert.deepEqual(told('message'), ['life']);
  pass(25000);
  pass(9999);
  assert.equal(room.state, 'open');
  pass(1);
  assert.equal(room.state, 'reconnecting');
  assert.equal(made[0].closedWith, 1000);
  pass(500);
  newest().open();
  assert.equal(told('gap').at(-1).awayMs, 35500, 'since the last sign of life');
  room.close();
});

test('the queue is bounded by messages and by bytes, and says what it dropped', () => {
  const { room, newest, told } = join({ queueMessages: 3, queueBytes: 10 });
  ['a', 'b', 'c', 'd'].forEach((data) => room.send(data));
  assert.deepEqual(told('gap'), [{ dropped: 1, awayMs: 0 }]);
  room.send('123456789');
  assert.equal(told('gap').at(-1).dropped, 2);
  newest().open();
  assert.deepEqual(newest().sent, ['d', '123456789']);
  room.close();
});

test('a socket that takes nothing is given nothing', () => {
  const { room, newest, told } = join({ queueMessages: 2 });
  newest().open();
  newest().bufferedAmount = 300_000;
  ['a', 'b', 'c'].forEach((data) => room.send(data));
  assert.deepEqual([newest().sent, told('gap').length], [[], 1]);
  newest().bufferedAmount = 0;
  pass(100);
  assert.deepEqual(newest().sent, ['b', 'c']);
  room.close();
});

test('a listener that throws takes nothing from the others', () => {
  const { room, newest, told } = join();
  newest().open();
  room.on('message', () => { throw new Error('theirs'); });
  let heard = 0;
  room.on('message', () => { heard += 1; });
  newest().say('x');
  assert.deepEqual([heard, told('message').length], [1, 1]);
  assert.throws(() => pass(1), /theirs/);
  room.close();
});

test('a herd of 1,000 comes back spread out', (t) => {
  const sockets = fakeSockets();
  const herd = Array.from({ length: 1000 }, () => connect('ws://relay/', { WebSocket: sockets.FakeSocket }));
  sockets.made.forEach((socket) => socket.open());
  pass(6000);
  const start = Date.now();
  sockets.made.splice(0).forEach((socket) => socket.end(1001, 'going down'));
  // The relay is away for two seconds: every attempt fails at once until then.
  const arrivals = [];
  for (let ms = 0; ms < 30000; ms += 10) {
    pass(10);
    for (const socket of sockets.made.splice(0)) {
      if (Date.now() - start < 2000) {
        socket.end(1006);
      } else {
        socket.open();
        arrivals.push(Date.now() - start);
      }
    }
  }
  assert.equal(arrivals.length, 1000, 'all are back');
  const bins = new Map();
  for (const at of arrivals) bins.set(Math.floor(at / 250), (bins.get(Math.floor(at / 250)) ?? 0) + 1);
  const rows = [...bins].sort(([a], [b]) => a - b);
  rows.forEach(([bin, count]) => t.diagnostic(`${`${bin * 250}`.padStart(6)} ms ${'#'.repeat(count / 4)} ${count}`));
  // Delays of up to 4 s and more when the relay is back: a quarter of a second gets a sixteenth of
  // the herd or so; without jitter everybody comes in one.
  assert.ok(Math.max(...bins.values()) < 200, 'no quarter of a second has a fifth of the herd');
  herd.forEach((room) => room.close());
});
