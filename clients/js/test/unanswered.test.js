// fanfare.v1: messages that are not answered yet, and own ones that come back, on a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { pass, stopClock } from './fake-socket.js';
import { enter } from './pretend-relay.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

test('own messages do not come back on a replay, and those of others do', async () => {
  const all = enter();
  all.accept();
  all.room.send('mine');
  all.relay.publish('theirs');
  const published = all.room.publish('mine too');
  all.connection.read();
  all.connection.read();
  while (all.connection.answers.length) all.connection.answer();
  assert.equal(await published, '3:e1');
  assert.equal(all.room.id, '0:e1', 'what others said may lie between');
  all.again();
  all.connection.settle();
  assert.deepEqual(all.told('message'), ['theirs']);
  assert.equal(all.room.id, '3:e1');
  all.room.close();
});

test('where only the member speaks, nothing is asked for again', () => {
  const all = enter();
  all.accept();
  for (let n = 0; n < 3000; n += 1) {
    all.room.send(`${n}`);
    all.connection.settle();
  }
  assert.equal(all.room.id, '3000:e1');
  assert.ok(all.room._inbox._own.size <= 1000);
  all.again();
  all.connection.settle();
  assert.deepEqual(all.told('message'), []);
  all.room.close();
});

test('unanswered messages are repeated first, and the replay waits for their answers', async () => {
  const all = enter();
  all.accept();
  all.connection.settle();
  const answers = ['one', 'two'].map((data) => all.room.publish(data));
  all.connection.read(); // "one" is published, and its answer is lost
  all.newest().end(1006);
  all.relay.publish('theirs');
  all.room.send('three');
  pass(500);
  all.accept();
  assert.deepEqual(all.newest().sent.map((data) => data.split('\n')[1]), ['one', 'two', 'three']);
  for (let n = 0; n < 5; n += 1) all.connection.deliver();
  assert.deepEqual(all.told('message'), [], 'it is held');
  all.connection.settle();
  assert.deepEqual(all.told('message'), ['theirs']);
  assert.deepEqual(await Promise.all(answers), ['1:e1', '3:e1']);
  assert.deepEqual(all.relay.log.map(({ payload }) => payload), ['one', 'theirs', 'two', 'three']);
  all.room.close();
});

test('a replay is held for two seconds at most, and a lost one comes again', () => {
  const all = enter();
  all.accept();
  all.connection.settle();
  all.room.send('one');
  all.again();
  all.relay.publish('theirs');
  all.connection.deliver();
  all.connection.deliver();
  pass(1999);
  assert.deepEqual(all.told('message'), []);
  all.again();
  assert.deepEqual(all.told('message'), []);
  all.connection.deliver();
  all.connection.deliver();
  pass(2000);
  assert.deepEqual(all.told('message'), ['theirs']);
  all.room.close();
});

test('a message that the relay does not know again is not repeated, and that is told', async () => {
  const all = enter({ heartbeat: null });
  all.accept();
  all.connection.settle();
  const lost = all.room.publish('one');
  all.room.send('two');
  pass(300_000); // the tab slept
  all.again();
  await assert.rejects(lost, { code: 'unanswered' });
  assert.deepEqual([all.newest().sent, all.told('gap')],
    [[], [{ dropped: 2, awayMs: 0, missed: false }]]);
  all.room.close();
});

test('a relay with --echo sends own messages back, also on a replay', () => {
  const all = enter({}, { echo: true });
  all.accept();
  all.room.send('one');
  all.connection.settle();
  all.room.send('two');
  all.connection.read();
  while (all.connection.answers.length) all.connection.answer();
  all.again();
  all.connection.settle();
  assert.deepEqual(all.told('message'), ['one', 'two']);
  all.room.close();
});

test('so many messages are unanswered, and the next ones wait', () => {
  const all = enter();
  all.accept();
  for (let n = 0; n < 20_000; n += 1) assert.equal(all.room.send(`${n}`), true);
  assert.equal(all.newest().sent.length, 1000);
  assert.deepEqual(all.told('gap'), [], 'their bytes are few');
  all.connection.settle();
  assert.equal(all.relay.newest, 20_000);
  assert.equal(all.relay.log.at(-1).payload, '19999');
  for (let n = 0; n < 40; n += 1) all.room.send('x'.repeat(40_000));
  assert.equal(all.newest().sent.length, 20_027, 'one MiB, and the rest of the last');
  assert.deepEqual(all.told('gap').map(({ dropped }) => dropped), Array(7).fill(1));
  all.room.close();
});
