// What a cut cable, loss and delay do to subscribers, and what a vanished one leaves behind.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { kernelConnections, metrics, startRelay, startWire, until } from './network.js';
import { CurlSubscriber, SocketSubscriber } from './subscribers.js';

const PATIENCE = { timeout: 180_000 };
const PAUSE_MS = 20; // between two messages
const pause = () => new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });

/** Publishes messages with the numbers from `first` to `last`. */
async function publish(relay, first, last) {
  for (let number = first; number <= last; number += 1) {
    await relay.publish(String(number));
    await pause();
  }
}

const numbers = (first, last) => [...Array(last - first + 1)].map((_, at) => String(first + at));

/** Publishes until both subscribers tried again, since nothing came; gives the next number. */
async function publishUntilNoticed(relay, subscribers, next) {
  const before = subscribers.map(({ attempts }) => attempts);
  while (subscribers.some(({ attempts }, at) => attempts === before[at])) {
    await publish(relay, next, next);
    next += 1;
  }
  return next;
}

async function subscribe(t, relay) {
  const subscribers = [new CurlSubscriber(t), new SocketSubscriber(t)];
  await until(async () => (await metrics()).fanfare_members === 2, 'both subscribers');
  return subscribers;
}

const heardAll = (subscribers, last) => until(
  () => subscribers.every(({ heard }) => heard.at(-1) === String(last)), `message ${last}`);

test('with delay, loss, a short cut and a long one, nothing is missing and nothing comes twice', PATIENCE,
  async (t) => {
    const wire = await startWire(t);
    await wire('delay 0.03');
    await wire('loss 0.03');
    const relay = await startRelay(t, '--ping-interval', '1', '--history-messages', '5000');
    const subscribers = await subscribe(t, relay);
    await publish(relay, 1, 100);
    await wire('cut');
    await publish(relay, 101, 140); // a second or so: TCP sends again what was lost
    await wire('mend');
    await publish(relay, 141, 200);
    await heardAll(subscribers, 200);
    await wire('cut');
    let next = await publishUntilNoticed(relay, subscribers, 201);
    await wire('mend');
    await publish(relay, next, next + 50);
    next += 50;
    await heardAll(subscribers, next);
    for (const { heard } of subscribers) assert.deepEqual(heard, numbers(1, next));
    const [passed, lost] = (await wire('passed')).split(' ').map(Number);
    t.diagnostic(`${next} messages; ${passed} packets passed, ${lost} were lost`);
    assert.ok(lost > 20);
  });

test('when the room does not remember all of a long cut, both are told of the gap', PATIENCE, async (t) => {
  const wire = await startWire(t);
  await wire('delay 0.01');
  const relay = await startRelay(t, '--ping-interval', '1', '--history-messages', '20');
  const subscribers = await subscribe(t, relay);
  await publish(relay, 1, 50);
  await heardAll(subscribers, 50);
  await wire('cut');
  const next = await publishUntilNoticed(relay, subscribers, 51);
  await publish(relay, next, next + 30);
  await wire('mend');
  await until(() => subscribers.every(({ heard }) => heard.includes('gap')), 'the gap');
  const last = next + 40;
  await publish(relay, next + 31, last);
  await heardAll(subscribers, last);
  for (const { heard } of subscribers) {
    assert.deepEqual(heard.slice(0, 51), [...numbers(1, 50), 'gap']);
    const behind = heard.slice(51);
    const first = Number(behind[0]);
    assert.ok(first > 51 && first <= next + 31, `the first behind the gap is ${first}`);
    assert.deepEqual(behind, numbers(first, last));
  }
});

const HEADS = {
  socket: 'GET /news HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n'
    + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  stream: 'GET /news HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n',
};

test('peers that vanish with unread messages are noticed, and their memory is given back', PATIENCE, async (t) => {
  const wire = await startWire(t);
  const relay = await startRelay(t, '--ping-interval', '1', '--slow-consumer', 'skip');
  const { request, answer } = await relay.near({ headers: { Accept: 'text/event-stream' } });
  t.after(() => request.destroy());
  let text = '';
  answer.setEncoding('utf8').on('data', (more) => { text += more; });
  await relay.publish('0'); // so that the room has its memory
  const before = await metrics();
  const peers = [...Array(20)].flatMap(() => Object.values(HEADS)).map((head) => {
    const socket = connect(2046, '10.46.0.1');
    socket.on('error', () => {}).resume().write(head);
    t.after(() => socket.destroy());
    return socket;
  });
  await until(async () => (await metrics()).fanfare_members === 1 + peers.length, 'all peers');
  await wire('cut');
  const large = 'x'.repeat(10_000);
  for (let number = 1; number <= 200; number += 1) await relay.publish(`${number} ${large}`);
  const held = await metrics();
  assert.ok(held.fanfare_log_bytes > before.fanfare_log_bytes + 1_000_000, String(held.fanfare_log_bytes));
  const after = await until(async () => {
    const now = await metrics();
    return now.fanfare_members === 1 && now.fanfare_connections <= before.fanfare_connections && now;
  }, 'the end of all peers');
  for (const name of ['fanfare_log_bytes', 'fanfare_connection_bytes', 'fanfare_private_bytes']) {
    assert.ok(after[name] <= before[name], `${name}: ${after[name]}, before ${before[name]}`);
  }
  await until(async () => (await kernelConnections()) === 0, 'the kernel\'s memory');
  // The one on this side of the cut was not disturbed.
  await relay.publish('last');
  await until(() => text.endsWith('data: last\n\n'), 'the last message');
  assert.deepEqual([...text.matchAll(/^data: (\d+) x/gm)].map(([, number]) => number), numbers(1, 200));
});
