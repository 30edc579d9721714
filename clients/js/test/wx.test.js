// Mini-programs: WxSocket and the client over a fake `wx`, against the real relay; and the seed.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, mock, test } from 'node:test';
import WebSocket from 'ws';
import { connect, WxSocket } from '../fanfare.js';
import { createFakeWx } from './fake-wx.js';
import { next, startRelay } from './relay.js';

let relay;
before(async () => { relay = await startRelay(); });
after(() => relay.stop());
beforeEach(() => { globalThis.wx = createFakeWx({ WebSocket }); });
afterEach(() => { delete globalThis.wx; });
const socketEvent = (socket, type) => new Promise((resolve) => {
  socket.addEventListener(type, resolve, { once: true });
});

test('WxSocket looks and works like WebSocket', async () => {
  const socket = new WxSocket(`${relay.url}/wx`);
  assert.deepEqual([WxSocket.OPEN, socket.OPEN, socket.readyState], [1, 1, WxSocket.CONNECTING]);
  assert.throws(() => socket.send('early'));
  await socketEvent(socket, 'open');
  const other = new WebSocket(`${relay.url}/wx`);
  await socketEvent(other, 'open');
  const heard = socketEvent(other, 'message');
  const view = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
  socket.send(view);
  assert.deepEqual([...(await heard).data], [1, 2], 'not the whole buffer of a view');
  const answer = socketEvent(socket, 'message');
  other.send('你好');
  assert.equal((await answer).data, '你好');
  const closed = socketEvent(socket, 'close');
  socket.close(4000, 'bye');
  socket.close();
  assert.deepEqual([(await closed).code, socket.readyState], [4000, WxSocket.CLOSED]);
  other.close();
});

test('one close event, in whatever order fail, error and close come', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const orders = [['fail'], ['error'], ['close'], ['fail', 'error', 'close'], ['error', 'close'],
    ['close', 'error', 'fail'], ['error', 'fail']];
  for (const order of orders) {
    const calls = {};
    globalThis.wx = {
      connectSocket: ({ fail }) => {
        calls.fail = () => fail({ errMsg: 'no route' });
        return {
          onOpen() {}, onMessage() {}, send() {},
          close() { throw new Error('not yet'); },
          onError: (work) => { calls.error = () => work({ errMsg: 'broken' }); },
          onClose: (work) => { calls.close = () => work({ code: 1001, reason: 'x' }); },
        };
      },
    };
    const socket = new WxSocket('wss://relay/');
    const closes = [];
    socket.onclose = (event) => closes.push(event.code);
    order.forEach((name) => calls[name]());
    mock.timers.tick(5000);
    assert.deepEqual(closes, [order.includes('close') ? 1001 : 1006], order.join());
  }
  mock.timers.reset();
});

test('closing while connecting never throws, and closes', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const calls = { closed: 0 };
  globalThis.wx = {
    connectSocket: () => ({
      onMessage() {}, onError() {}, onClose() {},
      onOpen: (work) => { calls.open = work; },
      close() { calls.closed += 1; if (calls.closed === 1) throw new Error('not yet'); },
    }),
  };
  const socket = new WxSocket('wss://relay/');
  const closes = [];
  socket.onclose = (event) => closes.push(event.code);
  socket.onopen = () => assert.fail('it was closed');
  socket.close();
  calls.open({});
  assert.equal(calls.closed, 2);
  mock.timers.tick(1000);
  assert.deepEqual(closes, [1000]);
  mock.timers.reset();
});

test('a sixth socket fails, and says so', async () => {
  const five = Array.from({ length: 5 }, () => new WxSocket(`${relay.url}/five`));
  await Promise.all(five.map((socket) => socketEvent(socket, 'open')));
  const sixth = new WxSocket(`${relay.url}/five`);
  assert.equal((await socketEvent(sixth, 'close')).code, 1006);
  five.forEach((socket) => socket.close());
  await Promise.all(five.map((socket) => socketEvent(socket, 'close')));
});

test('a mini-program in the background is cut with 1000 and comes back when it is seen', async () => {
  const options = { WebSocket: WxSocket, backoffBaseMs: 60000, backoffMaxMs: 60000, random: () => 0.9 };
  const room = connect(`${relay.url}/background`, options);
  await room.ready;
  const closed = next(room, 'close');
  wx.hide();
  wx.cut();
  const { code, reason, willReconnect } = await closed;
  assert.deepEqual([code, reason, willReconnect], [1000, 'interrupted', true]);
  wx.show();
  await room.ready; // in half a second, and not in a minute
  assert.equal(wx.tasks.size, 1);
  room.close();
  assert.equal(wx.hooks(), 0, 'nothing is left behind');
});

test('the network comes back, and so does the room', async () => {
  const options = { WebSocket: WxSocket, backoffBaseMs: 60000, backoffMaxMs: 60000, random: () => 0.9 };
  const room = connect('ws://127.0.0.1:1/', options);
  await next(room, 'close');
  room.url = `${relay.url}/network`;
  wx.network(false);
  wx.network(true);
  await room.ready;
  room.close();
});

test("the seed's mini-program works as it was", async () => {
  const own = await startRelay(['--json']);
  const log = [];
  // What the seed's app.js does, in its order and with its global functions.
  const app = {
    globalData: { socketStatus: 'closed' },
    onLaunch() { if (this.globalData.socketStatus === 'closed') this.openSocket(); },
    openSocket() {
      wx.onSocketOpen(() => { this.globalData.socketStatus = 'connected'; log.push('open'); });
      wx.onSocketClose(() => { this.globalData.socketStatus = 'closed'; log.push('close'); });
      wx.onSocketError((error) => log.push(['error', error]));
      wx.onSocketMessage((message) => {
        const text = message.data.replace(' ', '').replace('\uFEFF', '');
        log.push(JSON.parse(text));
      });
      wx.connectSocket({ url: own.url });
    },
    closeSocket() {
      if (this.globalData.socketStatus !== 'connected') return;
      wx.closeSocket({ success: () => { this.globalData.socketStatus = 'closed'; } });
    },
  };
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 5); });
  };
  app.onLaunch();
  await until(() => app.globalData.socketStatus === 'connected');
  const other = new WebSocket(own.url);
  await socketEvent(other, 'open');
  const heard = socketEvent(other, 'message');
  const sent = await new Promise((resolve, reject) => {
    wx.sendSocketMessage({ data: JSON.stringify({ a: 1 }), success: resolve, fail: reject });
  });
  assert.equal(sent.errMsg, 'sendSocketMessage:ok');
  assert.equal((await heard).data, '"{\\"a\\":1}"', 'as PHP would spell it');
  other.send('{"from":"浏览器"}');
  await until(() => log.length >= 2);
  assert.deepEqual(log, ['open', '{"from":"浏览器"}'], 'JSON in JSON, as the seed had it');
  app.closeSocket();
  await until(() => log.at(-1) === 'close');
  assert.equal(app.globalData.socketStatus, 'closed');
  other.close();
  await own.stop();
});
