// Invariants under random events in random order. ANYTHING_SEED replays one run.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { join, pass, stopClock } from './fake-socket.js';
import { liveOften, mulberry } from './seeds.js';

const RUNS = 200; // some two seconds
const STEPS = 200;
const CODES = [1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 4000, 4200];
const REASONS = ['', 'interrupted', 'no pong', 'retry-after=3', 'retry-after=x'];

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

function live(seed) {
  const random = mulberry(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const all = join({ random, heartbeat: ['ping', 'pong'], queueMessages: 5, queueBytes: 60 });
  const { room, made, newest, told } = all;
  const any = () => pick(made);
  const say = (socket, data) => { if (socket.readyState > 0) socket.say(data); };
  let given = 0;
  let refused = 0;
  const steps = [
    () => { if (newest().readyState === 0) newest().open(); },
    () => { if (newest().readyState === 0) newest().open(); },
    () => { if (newest().readyState < 2) newest().end(pick(CODES), pick(REASONS), random() < 0.5); },
    () => say(any(), pick(['pong', 'x', new ArrayBuffer(2), undefined])),
    () => { if (any().readyState === 3) any().onclose({ code: pick(CODES) }); },
    () => any().onerror({ message: 'x' }),
    () => { any().bufferedAmount = pick([0, 0, 50, 1000]); },
    () => { if (newest().readyState === 1 && random() < 0.2) newest().readyState = 2; },
    () => room.ping(),
    () => pass(pick([1, 10, 100, 1000, 30_000])),
    () => { if (room.send(`${given}`.padStart(pick([4, 4, 4, 61]), '0'))) given += 1; else refused += 1; },
    () => { if (room.send(`${given}`)) given += 1; else refused += 1; },
  ];
  for (let step = 0; step < STEPS && room.state !== 'closed'; step += 1) {
    pick(steps)();
    const open = made.filter((socket) => socket.readyState < 2);
    assert.ok(open.length <= 1, 'one socket at most');
    if (room.state === 'open') assert.ok(newest().readyState > 0, 'open is open');
  }
  room.close();
  pass(60_000);
  assert.ok(made.every((socket) => socket.readyState > 1), 'nothing is left open');
  const sent = made.flatMap((socket) => socket.sent).filter((data) => data !== 'ping').map(Number);
  assert.deepEqual(sent, [...new Set(sent)].sort((a, b) => a - b), 'in order, and once');
  const dropped = told('gap').reduce((sum, gap) => sum + gap.dropped, 0);
  assert.equal(sent.length + dropped, given + refused, 'sent, or told as dropped');
  assert.equal(told('close').at(-1).willReconnect, false);
  return made.length;
}

test('one socket at most, order, no duplicates, no silent loss', (t) => {
  t.diagnostic(`${RUNS} lives, ${liveOften(RUNS, live)} sockets`);
});
