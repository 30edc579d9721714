// Signs of life: the heartbeat and wake-ups, on a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { fakeSockets, join, pass, stopClock } from './fake-socket.js';
import { connect } from '../fanfare.js';

const heartbeat = ['ping', 'pong'];
let page;
beforeEach(() => {
  stopClock();
  page = fakePage();
  globalThis.self = page;
});
afterEach(() => {
  delete globalThis.self;
  mock.timers.reset();
});

/** Changes the clock, and no timer. */
function shiftClock(ms) {
  const { now } = Date;
  Date.now = () => now.call(Date) + ms;
}

/** A browser's window, which counts its listeners. */
function fakePage() {
  const count = (target) => {
    const heard = new Set();
    target.addEventListener = (event, work) => heard.add(work) && (target[event] = work);
    target.removeEventListener = (event, work) => heard.delete(work);
    target.listeners = () => heard.size;
    target.fire = (event) => { if (heard.has(target[event])) target[event]({ type: event }); };
    return target;
  };
  return count({ document: count({ visibilityState: 'visible' }) });
}

test('after silence a ping is sent, and after more of it the connection is replaced', () => {
  const { room, made, newest, told } = join({ heartbeat });
  newest().open();
  pass(24_999);
  newest().say('life');
  pass(24_999);
  assert.deepEqual(newest().sent, []);
  pass(1);
  assert.deepEqual(newest().sent, ['ping']);
  newest().say('pong');
  assert.deepEqual([told('message'), told('pong').length], [['life'], 1]);
  pass(25_000);
  pass(9999);
  assert.equal(room.state, 'open');
  pass(1);
  assert.equal(room.state, 'reconnecting');
  assert.deepEqual(told('close'), [{ code: 1006, reason: 'no pong', willReconnect: true }]);
  assert.equal(made[0].readyState, 3);
  made[0].say('late');
  made[0].end(1000);
  pass(500);
  newest().open();
  assert.equal(told('gap').at(-1).awayMs, 35_500, 'since the last sign of life');
  assert.deepEqual(told('message'), ['life']);
  room.close();
});

test('any message is a sign of life', () => {
  const { room, newest } = join({ heartbeat });
  newest().open();
  pass(25_000);
  newest().say('somebody else');
  pass(24_999);
  assert.deepEqual([room.state, newest().sent], ['open', ['ping']]);
  room.close();
});

test('without a heartbeat, silence has no effect', () => {
  const { room, newest } = join();
  newest().open();
  pass(600_000);
  assert.deepEqual([room.state, newest().sent], ['open', []]);
  room.ping();
  assert.deepEqual(newest().sent, []);
  room.close();
});

test('repeated pings do not delay the end', () => {
  const { room, newest } = join({ heartbeat });
  newest().open();
  for (let s = 0; s < 10; s += 1) {
    room.ping();
    assert.equal(room.state, 'open');
    pass(1000);
  }
  assert.equal(room.state, 'reconnecting');
});

test("members may send the heartbeat's words: only a pending answer counts", () => {
  const { room, newest, told } = join({ heartbeat });
  newest().open();
  newest().say('pong');
  assert.deepEqual([told('message'), told('pong')], [['pong'], []]);
  room.ping();
  newest().say('life');
  newest().say('pong');
  newest().say('pong');
  assert.deepEqual([told('message'), told('pong').length], [['pong', 'life', 'pong'], 1]);
  room.close();
});

test('a clock that is set back or forth does no harm', () => {
  for (const hours of [-1, 1]) {
    const { room, newest, told } = join({ heartbeat });
    newest().open();
    pass(10_000);
    shiftClock(hours * 3_600_000);
    pass(15_000);
    assert.deepEqual(newest().sent, ['ping'], 'silence is asked in time');
    newest().say('pong');
    pass(35_000);
    assert.deepEqual(told('close').map(({ reason }) => reason), ['no pong']);
    room.close();
    mock.timers.reset();
    stopClock();
  }
});

test('a dead socket of Node is terminated, for it would wait for an answer', () => {
  const sockets = fakeSockets();
  let terminated = 0;
  class NodeSocket extends sockets.FakeSocket {
    terminate() { terminated += 1; this.readyState = 3; }
  }
  const room = connect('ws://relay/', { WebSocket: NodeSocket, heartbeat });
  sockets.newest().open();
  pass(35_000);
  assert.equal(terminated, 1);
  pass(500);
  sockets.newest().open();
  room.close(4000, 'bye');
  assert.deepEqual([terminated, sockets.newest().closedWith], [1, [4000, 'bye']], 'in order');
});

test('a page that is visible or online again reconnects at once, with a little jitter', () => {
  for (const wake of [() => page.fire('online'), () => page.document.fire('visibilitychange')]) {
    const { room, newest, made } = join({ random: () => 0.9, backoffBaseMs: 60_000,
      backoffMaxMs: 60_000 });
    newest().end(1006);
    pass(1000);
    page.document.visibilityState = 'hidden';
    wake();
    pass(500);
    assert.equal(made.length, 1, 'nobody looks');
    page.document.visibilityState = 'visible';
    wake();
    pass(449);
    assert.equal(made.length, 1);
    wake(); // again: no new delay
    pass(1);
    assert.equal(made.length, 2);
    wake();
    pass(1000);
    assert.equal(made.length, 2, 'never two at once');
    room.close();
  }
});

test('a wake-up delays nothing, and keeps a delay that the server named', () => {
  const { room, newest, made } = join({ random: () => 0.9 });
  newest().end(1006);
  pass(440);
  page.fire('online');
  pass(10);
  assert.equal(made.length, 2, 'it was due');
  newest().end(1013, 'retry-after=30');
  page.fire('online');
  pass(30_449);
  assert.equal(made.length, 2);
  pass(1);
  assert.equal(made.length, 3);
  room.close();
});

test('a wake-up after long silence pings with a short timeout', () => {
  const { room, newest, told } = join({ heartbeat });
  newest().open();
  pass(1000);
  page.fire('online');
  assert.deepEqual(newest().sent, [], 'it was not');
  shiftClock(3_600_000); // the timers slept
  page.document.fire('visibilitychange');
  assert.deepEqual(newest().sent, ['ping']);
  pass(2999);
  assert.equal(room.state, 'open');
  pass(1);
  assert.deepEqual(told('close').map(({ reason }) => reason), ['no pong']);
  room.close();
});

test('no listener is left behind, however a room ends', () => {
  const listeners = () => page.listeners() + page.document.listeners();
  const rooms = Array.from({ length: 20 }, () => join());
  assert.equal(listeners(), 40);
  rooms.slice(0, 10).forEach(({ room }) => room.close());
  rooms.slice(10).forEach(({ newest }) => newest().end(1009));
  assert.equal(listeners(), 0);
  assert.throws(() => connect('ws://relay/', { WebSocket: null }), /options\.WebSocket/);
  class Refusing { constructor() { throw new SyntaxError('no address'); } }
  const errors = [];
  connect('nonsense', { WebSocket: Refusing }).on('error', (error) => errors.push(error.message));
  pass(1);
  assert.deepEqual([listeners(), errors], [0, ['no address']]);
});
