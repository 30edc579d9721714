// A member of fanfare.v1 whose connection is lost at any moment, on a relay that may be killed: nothing
// missing, nothing twice, or a gap told. ANYTHING_SEED replays one run.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { join, pass, stopClock } from './fake-socket.js';
import { PretendRoom } from './pretend-relay.js';
import { liveOften, mulberry } from './seeds.js';

const RUNS = 300; // some two seconds
const STEPS = 200;

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

/** What the member was told must be what the room had, in order, but for gaps that were told. */
function judge(relay, logs, told) {
  const spoken = logs.flat().filter(({ from }) => from === null).map(({ payload }) => payload);
  const heard = told.filter(([event]) => event === 'message').map(([, payload]) => payload);
  assert.equal(new Set(heard).size, heard.length, 'nothing twice');
  assert.ok(heard.every((payload) => spoken.includes(payload)), 'nothing of its own');
  let at = -1;
  let isGap = true; // it joined some time
  for (const [event, payload] of told) {
    if (event === 'gap') isGap = true;
    if (event !== 'message') continue;
    const next = spoken.indexOf(payload);
    assert.ok(next > at, 'in order');
    assert.ok(isGap || next === at + 1, `${payload} comes behind ${spoken[at]}, and no gap is told`);
    at = next;
    isGap = false;
  }
  assert.ok(isGap || at === spoken.length - 1, 'the end is there');
}

function live(seed) {
  const random = mulberry(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const relay = new PretendRoom({ keeps: pick([0, 3, 1000]) });
  const all = join({ random, queueMessages: 1000, backoffMaxMs: 500 });
  const { room, newest } = all;
  const told = [];
  room.on('message', (payload) => told.push(['message', payload]));
  room.on('gap', ({ missed }) => { if (missed) told.push(['gap']); });
  const logs = [relay.log]; // of each epoch
  const answers = [];
  let own = 0;
  let others = 0;
  let connection = null;
  const isOpen = () => connection && !connection.isLost;
  const connect = () => { if (newest().readyState === 0) connection = relay.accept(newest()); };
  const steps = [
    connect, connect,
    () => relay.publish(`theirs ${others += 1}`),
    () => relay.publish(`theirs ${others += 1}`),
    () => { answers.push(room.publish(`mine ${own += 1}`)); },
    () => { if (isOpen()) connection.read(); },
    () => { if (isOpen()) connection.read(); },
    () => { if (isOpen()) connection.answer(); },
    () => { if (isOpen()) connection.answer(); },
    () => { if (isOpen()) connection.deliver(); },
    () => { if (isOpen()) connection.deliver(); },
    () => { if (isOpen()) connection.deliver(); },
    () => { if (isOpen() && random() < 0.1) connection.skip(); },
    () => { if (random() < 0.5 && newest().readyState < 2) newest().end(1006); },
    () => {
      if (random() > 0.03) return;
      relay.restart();
      logs.push(relay.log);
      if (newest().readyState < 2) newest().end(1006);
    },
    () => {
      if (isOpen()) connection.answerAll(); // a replay is held for two seconds only
      pass(pick([1, 100, 1000, 2000]));
    },
  ];
  for (let step = 0; step < STEPS; step += 1) pick(steps)();
  // All is well again: everything arrives.
  for (let turn = 0; turn < 3; turn += 1) {
    pass(1000);
    connect();
    if (isOpen()) connection.settle();
  }
  judge(relay, logs, told);
  const mine = logs.map((log) => log.filter(({ from }) => from).map(({ payload }) => payload));
  mine.forEach((log) => assert.equal(new Set(log).size, log.length, 'no own message twice'));
  assert.equal(new Set(mine.flat()).size, own, 'no own message is missing');
  room.close();
  answers.forEach((answer) => answer.catch(() => assert.fail('an answer is missing')));
  return told.length;
}

test('a connection that is lost at any moment costs nothing, or a gap is told', (t) => {
  t.diagnostic(`${RUNS} lives, ${liveOften(RUNS, live)} messages and gaps`);
});
