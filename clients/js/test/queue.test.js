// Messages that are sent without a connection, or faster than the socket takes them.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { join, pass, stopClock } from './fake-socket.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

test('the queue is bounded by messages and by bytes, and reports dropped ones', () => {
  const { room, newest, told } = join({ queueMessages: 3, queueBytes: 10 });
  ['a', 'b', 'c', 'd'].forEach((data) => assert.equal(room.send(data), true));
  assert.deepEqual(told('gap'), [{ dropped: 1, awayMs: 0, missed: false }]);
  room.send('123456789');
  assert.equal(told('gap').at(-1).dropped, 2);
  newest().open();
  assert.deepEqual(newest().sent, ['d', '123456789']);
  room.close();
});

test('100 messages and 256 KiB by default', () => {
  const { room, newest, told } = join();
  for (let n = 0; n < 100_000; n += 1) room.send(`${n}`);
  assert.equal(told('gap').reduce((sum, { dropped }) => sum + dropped, 0), 99_900);
  newest().open();
  assert.deepEqual([newest().sent.length, newest().sent[0]], [100, '99900']);
  newest().end(1006);
  for (let n = 0; n < 10; n += 1) room.send('x'.repeat(65_536));
  pass(500);
  newest().open();
  assert.equal(newest().sent.length, 4);
  room.close();
});

test('bytes are those of the wire, or more', () => {
  const { room, newest } = join({ queueBytes: 12 });
  room.send('你好你好');
  room.send(new Uint8Array(12));
  newest().open();
  assert.deepEqual(newest().sent.map(({ length, byteLength }) => length ?? byteLength), [12]);
  room.close();
});

test('a message too large for the queue is sent alone', () => {
  const { room, newest, told } = join({ queueBytes: 10 });
  room.send('a');
  assert.equal(room.send('12345678901'), false, 'it will never leave');
  assert.deepEqual(told('gap'), [{ dropped: 1, awayMs: 0, missed: false }]);
  newest().open();
  assert.equal(room.send('12345678901'), true, 'an open socket takes it');
  assert.deepEqual(newest().sent, ['a', '12345678901']);
  room.close();
});

test('a queue with a bound of 0 keeps no message', () => {
  const { room, newest } = join({ queueMessages: 0 });
  assert.equal(room.send('a'), false);
  newest().open();
  assert.equal(room.send('b'), true);
  assert.deepEqual(newest().sent, ['b']);
  room.close();
});

test('a full socket gets no further message', () => {
  const { room, newest, told } = join({ queueMessages: 2 });
  newest().open();
  newest().bufferedAmount = 300_000;
  ['a', 'b', 'c'].forEach((data) => room.send(data));
  assert.deepEqual([newest().sent, told('gap').length], [[], 1]);
  pass(1000);
  assert.deepEqual(newest().sent, []);
  newest().bufferedAmount = 0;
  pass(100);
  assert.deepEqual(newest().sent, ['b', 'c']);
  room.close();
});

test('messages for a closing socket are kept for the next', () => {
  const { room, newest } = join();
  newest().open();
  newest().readyState = 2;
  assert.equal(room.send('kept'), true);
  assert.deepEqual(newest().sent, []);
  newest().end(1001);
  pass(500);
  newest().open();
  assert.deepEqual(newest().sent, ['kept']);
  room.close();
});

test('order is kept, also of messages sent in between', () => {
  const { room, newest } = join();
  ['a', 'b'].forEach((data) => room.send(data));
  room.on('open', () => room.send('c'));
  newest().open();
  room.send('d');
  assert.deepEqual(newest().sent, ['a', 'b', 'c', 'd']);
  room.close();
});

test('messages queued at the end of the room are reported as dropped', () => {
  const { room, told } = join();
  ['a', 'b'].forEach((data) => room.send(data));
  room.close();
  pass(1);
  assert.deepEqual(told('gap'), [{ dropped: 2, awayMs: 0, missed: false }]);
  assert.equal(room.send('c'), false);
});

test('binary is copied: its owner may change it', () => {
  for (const json of [false, true]) {
    const { room, newest } = join({ json });
    const bytes = new Uint8Array([0, 1, 2, 3]);
    room.send(bytes.subarray(1, 3));
    room.send(new DataView(bytes.buffer, 3));
    room.send(bytes.buffer);
    room.send(new ArrayBuffer(0));
    bytes.fill(9);
    newest().open();
    assert.ok(newest().sent.every((data) => data instanceof ArrayBuffer));
    assert.deepEqual(newest().sent.map((data) => [...new Uint8Array(data)]),
      [[1, 2], [3], [0, 1, 2, 3], []]);
    room.close();
  }
});

test('other values are refused at once, in every state', () => {
  const { room, newest } = join();
  const cyclic = {};
  cyclic.self = cyclic;
  for (const nothing of [undefined, null, 7, {}, [], true, { byteLength: 3 }]) {
    assert.throws(() => room.send(nothing), TypeError);
  }
  newest().open();
  assert.throws(() => room.send(), TypeError);
  assert.deepEqual(newest().sent, []);
  room.close();
  const json = join({ json: true });
  json.newest().open();
  for (const nothing of [undefined, () => {}, cyclic]) {
    assert.throws(() => json.room.send(nothing), TypeError);
  }
  [null, 0, '', { byteLength: 3 }].forEach((data) => json.room.send(data));
  assert.deepEqual(json.newest().sent, ['null', '0', '""', '{"byteLength":3}']);
  json.room.close();
});

test('a socket that throws is an error event, and loses no message', () => {
  const { room, newest, told } = join();
  newest().open();
  newest().send = () => { throw new Error('full'); };
  room.send('a');
  assert.deepEqual(told('error'), [{ message: 'full', data: 'a' }]);
  room.close();
});

test('invalid JSON is an error event with the data, and never an exception', () => {
  const { room, newest, told } = join({ json: true });
  newest().open();
  const texts = ['', '{', 'undefined', '\ufeff', '{"a":1}x', '\0'];
  texts.forEach((text) => newest().say(text));
  assert.deepEqual(told('error').map(({ data }) => data), texts);
  newest().say('\ufeff{"a":"\ufeff"}');
  newest().say(' \ufeff [1] ');
  newest().say('{"__proto__":{"polluted":1}}');
  const binary = new ArrayBuffer(3);
  newest().say(binary);
  const [one, two, three, four] = told('message');
  assert.deepEqual([one, two], [{ a: '\ufeff' }, [1]], 'a mark inside belongs to the text');
  assert.ok(Object.hasOwn(three, '__proto__') && {}.polluted === undefined);
  assert.equal(four, binary);
  room.close();
});
