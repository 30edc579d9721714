// Reconnecting after a loss, on a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { connect, mayRetry } from '../fanfare.js';
import { fakeSockets, join, pass, stopClock } from './fake-socket.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

test('which closes are final', () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 3000, 3499, 4000, 4100, 4200]) {
    assert.equal(mayRetry(code, 'x'), true, `${code}`);
  }
  for (const code of [1002, 1003, 1007, 1008, 1009, 1010, 3500, 3999, 4001, 4010, 4099, 4401, 4403]) {
    assert.equal(mayRetry(code, 'x'), false, `${code}`);
  }
  assert.equal(mayRetry(1008), false);
  assert.equal(mayRetry(1008, 'no pong'), true);
  assert.equal(mayRetry(1008, 'message took too long'), true);
});

test('compression that cannot be read is declined once, and the rest of the address stays', () => {
  for (const [url, plain] of [
    ['ws://relay/', 'ws://relay/?deflate=off'],
    ['ws://relay/a?token=x.y', 'ws://relay/a?token=x.y&deflate=off'],
  ]) {
    const { room, newest, told } = join({}, url);
    newest().extensions = 'permessage-deflate; client_no_context_takeover';
    newest().open();
    newest().end(1007, 'compressed data is broken');
    assert.equal(told('close')[0].willReconnect, true);
    pass(500);
    assert.equal(newest().url, plain);
    assert.equal(room.url, url);
    newest().open();
    newest().end(1006);
    pass(1000);
    assert.equal(newest().url, plain, 'and does not come back');
    newest().extensions = 'permessage-deflate'; // of a relay that ignores the address
    newest().open();
    newest().end(1007);
    assert.equal(room.state, 'closed');
    pass(1);
    assert.equal(told('close').at(-1).willReconnect, false);
  }
});

test('without compression 1007 is final', () => {
  const { room, newest } = join();
  newest().extensions = '';
  newest().open();
  newest().end(1007, 'text is not UTF-8');
  assert.equal(room.state, 'closed');
});

test('delays double up to their bound, and are reset after five good seconds', () => {
  const { room, newest, told } = join();
  for (let n = 0; n < 8; n += 1) {
    newest().end(1006);
    pass(told('reconnecting').at(-1).delayMs);
  }
  const delays = told('reconnecting').map(({ delayMs }) => delayMs);
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
  assert.deepEqual(told('reconnecting').map(({ attempt }) => attempt), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(told('close').length, 1, 'one loss, however long it takes');
  newest().open();
  assert.deepEqual(told('gap'), [], 'a room that was never open has no gap');
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
  pass(125);
  newest().end(1006);
  assert.deepEqual(told('reconnecting').map(({ delayMs }) => delayMs), [125, 250]);
  room.close();
});

test('a delay that the server names is the least, and jitter comes on top', () => {
  const { room, newest, told, made } = join({ random: () => 0.5 });
  newest().end(1013, 'slow consumer; retry-after=30');
  assert.equal(told('reconnecting')[0].delayMs, 30250);
  pass(30249);
  assert.equal(made.length, 1);
  pass(1);
  assert.equal(made.length, 2);
  newest().end(1013, `retry-after=${'9'.repeat(400)}`);
  const { delayMs } = told('reconnecting')[1];
  assert.equal(delayMs, 3_600_500, 'no timer is asked for more than it can');
  newest().end(1013, 'retry-after=-5');
  room.close();
});

test('a socket that never opens is replaced, and its late events are ignored', () => {
  const { room, made, told } = join();
  pass(15000);
  assert.equal(told('close')[0].reason, 'no answer');
  assert.equal(made[0].readyState, 3, 'it is closed');
  pass(500);
  assert.equal(made.length, 2);
  made[0].open();
  made[0].say('late');
  made[0].onerror({ message: 'late' });
  made[0].end(1006);
  assert.equal(room.state, 'reconnecting');
  assert.deepEqual([...told('message'), ...told('error')], []);
  made[1].open();
  assert.equal(room.state, 'open');
  assert.equal(made.length, 2, 'never two at once');
  room.close();
});

test('a gap is reported: since the close, or else since the last sign of life', () => {
  const { room, newest, told } = join();
  newest().open();
  pass(60_000);
  newest().end(1001, 'going down', true);
  pass(500);
  newest().open();
  assert.deepEqual(told('gap').at(-1), { dropped: 0, awayMs: 500, missed: true }, 'all was heard until then');
  pass(60_000);
  newest().say('life');
  pass(7000);
  newest().end(1006);
  pass(500);
  newest().open();
  assert.deepEqual(told('gap').at(-1), { dropped: 0, awayMs: 7500, missed: true });
  room.close();
});

test('a refusal is final', async () => {
  const { room, newest, told, made } = join();
  newest().open();
  newest().end(4001, 'banned');
  assert.equal(room.state, 'closed');
  await assert.rejects(room.ready, /closed: 4001 banned/);
  pass(60_000);
  assert.deepEqual(told('close'), [{ code: 4001, reason: 'banned', willReconnect: false }]);
  assert.equal(made.length, 1);
});

test('closing is final in every state, and never throws', async () => {
  const states = {
    connecting() {},
    open: ({ newest }) => newest().open(),
    waiting: ({ newest }) => newest().end(1006),
    dialling: ({ newest }) => { newest().end(1006); pass(500); },
    'in a listener': ({ newest, room }) => { room.on('close', () => room.close()); newest().end(1006); },
    closed: ({ room }) => room.close(),
  };
  for (const [name, reach] of Object.entries(states)) {
    const all = join();
    reach(all);
    const sockets = all.made.length;
    for (const args of [[], [99], [4000, 'bye'], [1006, '\ud800'.repeat(500)], [NaN, null]]) {
      all.room.close(...args);
    }
    assert.equal(all.room.state, 'closed', name);
    pass(60_000);
    await assert.rejects(all.room.ready, /closed/, name);
    assert.equal(all.made.length, sockets, `${name}: nothing comes back`);
    assert.ok(all.made.every((socket) => socket.readyState > 1), `${name}: nothing is left open`);
    assert.equal(all.told('close').at(-1).willReconnect, false, name);
  }
});

test('a code that a client may not send becomes 1000, and a long reason is cut', () => {
  for (const [given, sent] of [[1001, 1000], [999, 1000], [1000, 1000], [3000, 3000], [4999, 4999]]) {
    const { room, newest } = join();
    newest().open();
    room.close(given, '再'.repeat(100));
    assert.deepEqual(newest().closedWith, [sent, '再'.repeat(41)]);
    assert.ok(Buffer.byteLength(newest().closedWith[1]) <= 123);
  }
});

test('undefined options are defaults, and socket options reach the socket', () => {
  const { room, newest, told } = join({
    backoffBaseMs: undefined, protocols: ['a'], socketOptions: { headers: { a: 'b' } },
  });
  assert.deepEqual([newest().protocols, newest().options], [['fanfare.v1', 'fanfare', 'a'], { headers: { a: 'b' } }]);
  room.url = 'ws://other/';
  newest().end(1006);
  assert.equal(told('reconnecting')[0].delayMs, 500);
  pass(500);
  assert.equal(newest().url, 'ws://other/', 'a new address is for the next connection');
  room.close();
});

test('after so many attempts in a row the room ends, and a stable connection counts anew', () => {
  const { room, newest, told } = join({ maxAttempts: 2 });
  for (const delayMs of [500, 1000]) {
    newest().end(1006);
    pass(delayMs);
  }
  newest().open();
  pass(5000);
  for (const delayMs of [500, 1000]) {
    newest().end(1006);
    assert.equal(room.state, 'reconnecting');
    pass(delayMs);
  }
  newest().end(1006);
  assert.equal(room.state, 'closed');
  pass(1);
  assert.deepEqual(told('close').at(-1), { code: 1006, reason: '', willReconnect: false });
  const never = join({ maxAttempts: 0 });
  never.newest().end(1006);
  assert.equal(never.room.state, 'closed');
});

test('the program decides which closes are final, and an error of its own is told', () => {
  const asked = [];
  const shouldRetry = (code, reason) => asked.push([code, reason]) && code !== 1006;
  const { room, newest } = join({ shouldRetry });
  newest().open();
  newest().end(4001, 'banned');
  pass(500);
  newest().end(1006);
  assert.deepEqual([room.state, asked], ['closed', [[4001, 'banned'], [1006, '']]]);
  const faulty = join({ shouldRetry() { throw new Error('theirs'); } });
  faulty.newest().end(1006);
  assert.deepEqual([faulty.room.state, faulty.told('error')[0].message], ['reconnecting', 'theirs']);
  faulty.newest().end(1006);
  faulty.room.close();
});

test('a listener may be added for one event, and removed by its name', () => {
  const { room, newest } = join();
  const heard = [];
  const listener = (data) => heard.push(data);
  room.once('message', listener);
  newest().open();
  ['a', 'b'].forEach((data) => newest().say(data));
  room.on('message', listener);
  newest().say('c');
  room.off('message', listener);
  room.off('message', listener);
  newest().say('d');
  room.once('message', listener)();
  newest().say('e');
  assert.deepEqual(heard, ['a', 'c']);
  room.close();
});

test('a listener that throws does not affect the others', () => {
  const { room, newest, told } = join();
  newest().open();
  room.on('message', () => { throw new Error('theirs'); });
  let heard = 0;
  const off = room.on('message', () => { heard += 1; });
  newest().say('x');
  assert.deepEqual([heard, told('message').length], [1, 1]);
  assert.throws(() => pass(1), /theirs/);
  off();
  newest().say('y');
  assert.deepEqual([heard, told('message').length], [1, 2]);
  assert.throws(() => pass(1), /theirs/);
  room.close();
});

// The relay of 1,000 members restarts: when does each connect, at first and when it is back?
test('1,000 clients reconnect spread out', (t) => {
  const sockets = fakeSockets();
  const herd = Array.from({ length: 1000 }, () => (
    connect('ws://relay/', { WebSocket: sockets.FakeSocket })));
  sockets.made.forEach((socket) => socket.open());
  pass(6000);
  const start = Date.now();
  sockets.made.splice(0).forEach((socket) => socket.end(1001, 'going down', true));
  const dials = new Map();
  const arrivals = new Map();
  const count = (bins) => {
    const bin = Math.floor((Date.now() - start - 1) / 100) * 100;
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  };
  for (let ms = 0; ms < 30_000; ms += 1) {
    mock.timers.tick(1);
    for (const socket of sockets.made.splice(0)) {
      count(dials);
      if (Date.now() - start < 2000) {
        socket.end(1006);
      } else {
        socket.open();
        count(arrivals);
      }
    }
  }
  const most = (bins) => Math.max(...bins.values());
  t.diagnostic('connections by 100 ms after a restart of 2 s');
  for (const [bin, number] of [...arrivals].sort(([a], [b]) => a - b)) {
    t.diagnostic(`${`${bin}`.padStart(6)} ms ${'#'.repeat(Math.ceil(number / 4))} ${number}`);
  }
  assert.equal([...arrivals.values()].reduce((sum, number) => sum + number), 1000, 'all are back');
  // The first delay is chosen from 500 ms: 200 attempts in 100 ms. Clients that have failed by then
  // choose from a second: 90 more. With few third ones it is 300 at most, give or take six times
  // 16. Without jitter it is all 1,000.
  t.diagnostic(`at most ${most(dials)} dials and ${most(arrivals)} connections within 100 ms`);
  assert.ok(most(dials) <= 400, `${most(dials)} dials within 100 ms`);
  // When the relay is back the delays are chosen from 2 s and more: 5 in 100 of the waiting ones,
  // and a few with a shorter last delay. 70 at most, give or take six times 8.
  assert.ok(most(arrivals) <= 120, `${most(arrivals)} connections within 100 ms`);
  herd.forEach((room) => room.close());
});
