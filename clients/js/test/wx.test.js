// Mini-programs: WxSocket and the client over a fake `wx`, against the real relay; and its first
// version.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, mock, test } from 'node:test';
import { WebSocket as PartySocket } from 'partysocket';
import WebSocket from 'ws';
import { connect, WxSocket } from '../fanfare.js';
import { createFakeWx } from './fake-wx.js';
import { pass } from './fake-socket.js';
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

test('one close event, in any order of fail, error and close', () => {
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
    pass(5000);
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
  pass(1000);
  assert.deepEqual(closes, [1000]);
  mock.timers.reset();
});

test('a task that opens too late is closed', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const calls = { closed: 0 };
  globalThis.wx = {
    connectSocket: () => ({
      onMessage() {}, onClose() {},
      onError: (work) => { calls.error = work; },
      onOpen: (work) => { calls.open = work; },
      close() { calls.closed += 1; },
    }),
  };
  for (const end of [(socket) => socket.close(), () => calls.error({ errMsg: 'broken' })]) {
    const socket = new WxSocket('wss://relay/');
    const events = [];
    for (const type of ['open', 'close']) socket.addEventListener(type, () => events.push(type));
    end(socket);
    pass(1000);
    assert.equal(socket.readyState, WxSocket.CLOSED);
    calls.closed = 0;
    calls.open({});
    assert.deepEqual([calls.closed, events], [1, ['close']]);
  }
  mock.timers.reset();
});

test('the socket fails when the platform throws or gives no task', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const platforms = [() => { throw new Error('not now'); }, () => undefined, () => Promise.resolve()];
  for (const connectSocket of platforms) {
    globalThis.wx = { connectSocket };
    const socket = new WxSocket('wss://relay/');
    const events = [];
    socket.onerror = ({ message }) => events.push(message.length > 0);
    socket.onclose = ({ code, wasClean }) => events.push(code, wasClean);
    pass(1000);
    assert.deepEqual(events, [true, 1006, false]);
    socket.close();
    socket.send('swallowed, as a browser does');
  }
  mock.timers.reset();
});

test('listeners are those of an EventTarget', async () => {
  const socket = new WxSocket(`${relay.url}/listeners`);
  const heard = [];
  const both = (event) => heard.push(event.type);
  socket.addEventListener('open', both);
  socket.addEventListener('close', both);
  socket.addEventListener('open', both);
  socket.addEventListener('message', both);
  socket.removeEventListener('message', both);
  socket.onopen = function self(event) {
    heard.push(this === socket && event.target === socket);
  };
  await socketEvent(socket, 'open');
  const other = new WebSocket(`${relay.url}/listeners`);
  await socketEvent(other, 'open');
  other.send('not heard');
  await socketEvent(socket, 'message');
  socket.close();
  await socketEvent(socket, 'close');
  assert.deepEqual(heard, [true, 'open', 'close']);
  other.close();
});

test('subprotocol and header are sent, with any case of the answer', () => {
  const calls = [];
  globalThis.wx = {
    connectSocket: (options) => {
      calls.push(options);
      return { onOpen: (work) => { calls.open = work; }, onMessage() {}, onError() {}, onClose() {} };
    },
  };
  const socket = new WxSocket('wss://relay/', 'a', { header: { Authorization: 'b' } });
  assert.deepEqual([calls[0].protocols, calls[0].header], [['a'], { Authorization: 'b' }]);
  calls.open({ header: { 'SEC-WebSocket-protocol': 'a', 'sec-websocket-Extensions': 'permessage-deflate' } });
  assert.deepEqual([socket.protocol, socket.extensions], ['a', 'permessage-deflate']);
  assert.equal('protocols' in new WxSocket('wss://relay/')._task, false);
  assert.equal('protocols' in calls[1], false, 'none asked for, none sent');
});

test('uni, tt and my work too; Alipay wraps messages, and spells binary in base64', () => {
  const { wx } = globalThis;
  delete globalThis.wx;
  for (const name of ['uni', 'tt', 'my']) {
    const calls = {};
    globalThis[name] = {
      connectSocket: (options) => {
        assert.equal(options.multiple, true, 'a task of its own');
        return {
          onOpen: (work) => { calls.open = work; },
          onMessage: (work) => { calls.message = work; },
          onError() {}, onClose() {}, close() {},
        };
      },
      base64ToArrayBuffer: (text) => new Uint8Array(Buffer.from(text, 'base64')).buffer,
    };
    const room = connect('wss://relay/', { WebSocket: globalThis.WebSocket && WxSocket });
    const heard = [];
    room.on('message', (data) => heard.push(typeof data === 'string' ? data : data.byteLength));
    calls.open();
    calls.message({ data: 'plain' });
    calls.message({ data: { data: 'wrapped' } });
    calls.message({ data: { data: '' } });
    calls.message({ data: { data: 'AQID', isBuffer: true } });
    calls.message({ data: 'AQI=', isBuffer: true });
    calls.message({ data: new ArrayBuffer(5) });
    calls.message({ data: { data: new ArrayBuffer(6), isBuffer: true } });
    assert.deepEqual(heard, ['plain', 'wrapped', '', 3, 2, 5, 6], name);
    room.close();
    delete globalThis[name];
  }
  globalThis.wx = wx;
});

test('another library can use it: partysocket', async () => {
  const options = { WebSocket: WxSocket, minReconnectionDelay: 20 };
  const party = new PartySocket(`${relay.url}/party`, [], options);
  await socketEvent(party, 'open');
  const other = new WebSocket(`${relay.url}/party`);
  await socketEvent(other, 'open');
  let heard = socketEvent(other, 'message');
  party.send('from a mini-program');
  assert.equal(`${(await heard).data}`, 'from a mini-program');
  heard = socketEvent(party, 'message');
  other.send('to it');
  assert.equal((await heard).data, 'to it');
  const reopened = socketEvent(party, 'open');
  wx.cut();
  wx.show();
  await reopened;
  party.close();
  other.close();
});

test('a sixth socket fails, and says so', async () => {
  const five = Array.from({ length: 5 }, () => new WxSocket(`${relay.url}/five`));
  await Promise.all(five.map((socket) => socketEvent(socket, 'open')));
  const sixth = new WxSocket(`${relay.url}/five`);
  const errors = [];
  sixth.onerror = ({ message }) => errors.push(message);
  assert.equal((await socketEvent(sixth, 'close')).code, 1006);
  assert.ok(errors.some((message) => /exceed/.test(message)), `${errors}`);
  five.forEach((socket) => socket.close());
  await Promise.all(five.map((socket) => socketEvent(socket, 'close')));
});

test('a mini-program in the background is cut with 1000 and reconnects when it is visible', async () => {
  const options = { WebSocket: WxSocket, backoffBaseMs: 60000, backoffMaxMs: 60000, random: () => 0.9 };
  const room = connect(`${relay.url}/background`, options);
  await room.ready;
  const closed = next(room, 'close');
  wx.hide();
  wx.cut();
  const { code, reason, willReconnect } = await closed;
  assert.deepEqual([code, reason, willReconnect], [1000, 'interrupted', true]);
  wx.show();
  await room.ready; // within half a second
  assert.equal(wx.tasks.size, 1);
  room.close();
  assert.equal(wx.hooks(), 0, 'nothing is left behind');
});

test('the room reconnects when the network is back', async () => {
  const options = { WebSocket: WxSocket, backoffBaseMs: 60000, backoffMaxMs: 60000, random: () => 0.9 };
  const room = connect('ws://127.0.0.1:1/', options);
  await next(room, 'close');
  room.url = `${relay.url}/network`;
  wx.network(false);
  wx.network(true);
  await room.ready;
  room.close();
});

test("the first version's mini-program works unchanged", async () => {
  const own = await startRelay(['--json']);
  const log = [];
  // The first version's app.js, in its order and with its global functions.
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
