// RoomSocket: the shape of WebSocket on a room.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { RoomSocket } from '../websocket.js';
import { fakeSockets, pass, stopClock } from './fake-socket.js';
import { PretendRoom } from './pretend-relay.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

function open(options = {}) {
  const sockets = fakeSockets();
  const socket = new RoomSocket(new URL('ws://relay/news'), 'chat',
    { WebSocket: sockets.FakeSocket, random: () => 1, ...options });
  const events = [];
  for (const type of ['open', 'message', 'close', 'error', 'gap']) {
    socket.addEventListener(type, (event) => events.push(event));
  }
  return { ...sockets, socket, events, told: (type) => events.filter((event) => event.type === type) };
}

test('it looks like a WebSocket, and comes back behind the last message', () => {
  const relay = new PretendRoom();
  const { socket, newest, told } = open();
  assert.deepEqual([socket.url, socket.readyState, RoomSocket.OPEN, socket.binaryType],
    ['ws://relay/news', socket.CONNECTING, 1, 'blob']);
  assert.deepEqual(newest().protocols, ['fanfare.v1', 'fanfare', 'chat']);
  const onopen = [];
  socket.onopen = function opened({ target }) { onopen.push(this === socket && target === socket); };
  socket.send('early');
  assert.equal(socket.bufferedAmount, 5);
  relay.accept(newest()).settle();
  assert.deepEqual([socket.readyState, socket.protocol, socket.bufferedAmount, relay.log[0].payload],
    [1, 'fanfare.v1', 0, 'early']);
  relay.publish('a');
  newest().end(1006);
  assert.equal(socket.readyState, socket.CONNECTING);
  relay.publish('b');
  pass(500);
  relay.accept(newest()).settle();
  assert.deepEqual(told('message').map(({ data, lastEventId }) => [data, lastEventId]),
    [['a', '2:e1'], ['b', '3:e1']]);
  assert.deepEqual([told('open').length, onopen, told('gap').length], [2, [true, true], 0]);
  relay.restart();
  newest().end(1006);
  pass(1000);
  relay.accept(newest()).settle();
  assert.equal(told('gap')[0].detail.missed, true);
  socket.close(4000, 'bye');
  assert.equal(socket.readyState, socket.CLOSING);
  socket.send('nobody hears this, and nothing is thrown');
  socket.close();
  pass(1);
  assert.equal(socket.readyState, socket.CLOSED);
  const closes = told('close').map(({ code, willReconnect }) => [code, willReconnect]);
  assert.deepEqual(closes, [[1006, true], [1006, true], [4000, false]]);
});

test('binary is a Blob or an ArrayBuffer, as it was asked for, and anything else is sent as text', async () => {
  const { socket, newest, told } = open({ raw: true });
  newest().open('chat');
  newest().say(new Uint8Array([1, 2]).buffer);
  socket.binaryType = 'arraybuffer';
  newest().say(new Uint8Array([3]).buffer);
  const [blob, buffer] = told('message').map(({ data }) => data);
  assert.deepEqual([...new Uint8Array(await blob.arrayBuffer())], [1, 2]);
  assert.deepEqual([...new Uint8Array(buffer)], [3]);
  assert.equal(told('message')[0].lastEventId, '');
  socket.send(new Uint8Array([4]));
  socket.send(7);
  assert.deepEqual(newest().sent.map((data) => data.byteLength ?? data), [1, '7']);
  newest().onerror({ message: 'broken' });
  assert.equal(told('error')[0].message, 'broken');
  socket.close();
});

test('options and errors are those of a room', () => {
  const { socket, newest, told } = open({ maxAttempts: 0, last: 3 });
  assert.equal(newest().url, 'ws://relay/news?last=3');
  newest().end(1006);
  pass(1);
  assert.deepEqual([socket.readyState, told('close').map(({ willReconnect }) => willReconnect)],
    [3, [false]]);
});
