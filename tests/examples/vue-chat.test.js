// The web chat's parts without a browser: what they make of strangers' messages, of addresses, of a
// full storage; and its room on the real relay.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import { startRelay } from '../../clients/js/test/relay.js';
import { examples, missing, npmPackages } from './prepared.js';
import { until } from './program.js';

const source = (name) => import(`${examples}vue-chat/src/${name}`);

/** A `localStorage` that holds so many characters. */
function createStorage(charactersMax = Infinity) {
  const items = new Map();
  const used = () => [...items].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    removeItem: (key) => items.delete(key),
    setItem(key, value) {
      const before = items.get(key);
      items.set(key, value);
      if (used() <= charactersMax) return;
      if (before === undefined) items.delete(key);
      else items.set(key, before);
      throw new DOMException('full', 'QuotaExceededError');
    },
  };
}

let relay;
before(async () => { relay = await startRelay(); });
after(() => relay.stop());
beforeEach(() => {
  Object.assign(globalThis, {
    localStorage: createStorage(), addEventListener() {}, removeEventListener() {},
  });
});

test('strangers\' messages can always be shown', async () => {
  const { decode, encode, write } = await source('message.js');
  const own = write('Li', '你好');
  assert.deepEqual(decode(encode({ ...own, mine: true })), own);
  assert.deepEqual(decode(JSON.stringify(encode(own))), own, 'through a relay with --json');
  const strange = ['hello', '{', 'null', '5', '[1]', '{"id":1,"nick":"a","text":"b"}',
    '{"id":"a"}'];
  for (const data of strange) {
    const { nick, text } = decode(data);
    assert.deepEqual([nick, text], ['', data]);
  }
  assert.equal(decode(new ArrayBuffer(3)).text, '(3 bytes)');
  const [nick, text] = ['👍'.repeat(99), '裂'.repeat(9999)];
  const huge = decode(JSON.stringify({ id: 'a', nick, text, at: {} }));
  assert.ok(huge.nick.length <= 25 && huge.text.length === 2001 && huge.nick.isWellFormed());
  for (const at of ['1e300', '-9e99', '0.5']) {
    const message = decode(`{"id":"a","nick":"b","text":"c","at":${at}}`);
    assert.ok(message.at <= Date.now() && !Number.isNaN(new Date(message.at).getTime()), at);
  }
});

test('addresses: an invalid room is not connected to', async () => {
  const { readQuery, readRoom, roomAddress, roomFault, writeRoom } = await source('address.js');
  assert.deepEqual(readQuery('?relay=wss://h/x&heartbeat=ping=pong'),
    { relay: 'wss://h/x', heartbeat: ['ping', 'pong'] });
  assert.equal(readQuery('?heartbeat=ping').heartbeat, null);
  assert.equal(readRoom('#/%e6%88%bf/a%20b'), '房/a b');
  assert.equal(readRoom('#/%'), '');
  for (const room of ['', 'news', '房/a b', 'a?b#c%', '/x//', '_']) {
    assert.equal(readRoom(writeRoom(room)), room);
    assert.equal(roomFault(room), null);
  }
  assert.equal(roomAddress('ws://h:1/', '房/a?b#c%'), 'ws://h:1/%E6%88%BF/a%3Fb%23c%25');
  assert.equal(roomAddress('wss://h/base?token=x', 'r'), 'wss://h/base/r?token=x');
  for (const address of ['http://h', 'javascript:alert(1)', 'h:1', '']) {
    assert.equal(roomAddress(address, ''), null, address);
  }
  const faulty = ['..', 'a/./b', '_/x', '\ud800', 'x'.repeat(256), '裂'.repeat(86)];
  assert.deepEqual(faulty.map(roomFault),
    ['roomDots', 'roomDots', 'roomReserved', 'roomBroken', 'roomLong', 'roomLong']);
});

test('the history is bounded, survives a full storage, and believes nothing it reads', async () => {
  const { readHistory, readId, writeHistory, MESSAGES_MAX } = await source('history.js');
  const message = (n, status = 'sent') => ({ id: `${n}`, nick: 'a', text: 'b', at: 1, status });
  const many = Array.from({ length: 500 }, (_, n) => message(n));
  const storage = createStorage();
  for (let room = 0; room < 30; room += 1) assert.ok(writeHistory(`${room}`, many, null, storage));
  assert.equal(readHistory('29', storage).length, MESSAGES_MAX);
  assert.equal(readHistory('29', storage).at(-1).id, '499');
  assert.equal(readHistory('0', storage).length, 0, 'seen longest ago');
  assert.ok(storage.items.size <= 13);
  const narrow = createStorage(30_000); // room for two of these histories
  for (let room = 0; room < 5; room += 1) assert.ok(writeHistory(`${room}`, many, null, narrow), `${room}`);
  assert.equal(readHistory('4', narrow).length, MESSAGES_MAX);
  assert.equal(writeHistory('5', many, null, createStorage(10)), false);
  writeHistory('w', [message(1, 'waiting')], null, storage);
  assert.equal(readHistory('w', storage)[0].status, 'lost', 'what had not left never will');
  assert.ok(writeHistory('i', many, '7:e', storage));
  assert.deepEqual([readId('i', storage), readId('29', storage)], ['7:e', null]);
  for (const text of ['', '{', 'null', '5', '[null, 1]', '{"id":1,"messages":[null,1,{"id":1}]}']) {
    storage.items.set('fanfare-chat:room:bad', text);
    assert.deepEqual([readHistory('bad', storage), readId('bad', storage)], [[], null]);
  }
  assert.deepEqual(readHistory('x', { getItem() { throw new Error('forbidden'); } }), []);
});

/** The composable in a component's scope, without a component. */
async function enter(t, url, options = {}) {
  if (!npmPackages('vue-chat')) {
    missing(t, 'npm cannot install the packages of vue-chat');
    return null;
  }
  const { useRoom } = await source('room.js');
  const { effectScope } = createVue();
  const scope = effectScope();
  const room = scope.run(() => useRoom(url, 'Li', { WebSocket, ...options }));
  t.after(() => scope.stop());
  return {
    ...room, scope,
    isOpen: () => until(() => room.state.value === 'open', 'the connection'),
    messages: () => room.entries.value.filter((entry) => !entry.notice),
    notices: () => room.entries.value.filter((entry) => entry.notice).map((entry) => entry.notice),
    shows: (text) => until(() => room.entries.value.find((entry) => entry.text === text), text),
  };
}

const require = createRequire(import.meta.url);
const createVue = () => require(`${examples}vue-chat/node_modules/vue/index.js`);

test('two in a room: own messages at once, others once, and both remembered', async (t) => {
  const url = `${relay.url}/two`;
  const one = await enter(t, url);
  if (!one) return;
  await one.isOpen();
  const two = await enter(t, url);
  await two.isOpen();
  one.say('hello');
  assert.deepEqual(one.messages().map(({ text, mine, status }) => [text, mine, status]),
    [['hello', true, 'sent']], 'it is there at once');
  const { mine, nick } = await two.shows('hello');
  assert.deepEqual([mine, nick], [false, 'Li']);
  two.scope.stop();
  const again = await enter(t, url);
  assert.deepEqual(again.messages().map(({ text }) => text), ['hello']);
  assert.deepEqual(again.notices(), ['earlier']);
  again.forget();
  assert.deepEqual(again.entries.value, []);
});

test('a relay with --echo says it back, and it is there once', async (t) => {
  const own = await startRelay(['--echo']);
  t.after(() => own.stop());
  const room = await enter(t, `${own.url}/echo`);
  if (!room) return;
  await room.isOpen();
  room.say('one');
  room.say('two');
  const stranger = new WebSocket(`${own.url}/echo`);
  t.after(() => stranger.terminate());
  stranger.on('open', () => stranger.send('three')); // it comes behind the echoes
  await room.shows('three');
  assert.deepEqual(room.messages().map(({ text }) => text), ['one', 'two', 'three']);
});

test('without a connection it waits, is dropped beyond a bound, and leaves once', async (t) => {
  let own = await startRelay();
  t.after(() => own.stop());
  const room = await enter(t, `${own.url}/away`, { queueMessages: 2, backoffMaxMs: 200 });
  if (!room) return;
  await room.isOpen();
  await own.stop();
  await until(() => room.state.value === 'reconnecting' && room.retry.value, 'the loss');
  ['one', 'two', 'three'].forEach((text) => room.say(text));
  const marks = () => room.messages().map(({ status }) => status);
  await until(() => `${marks()}` === 'lost,waiting,waiting', 'the marks');
  assert.deepEqual(room.notices(), ['dropped']);
  own = await startRelay([], own.port);
  await room.isOpen();
  await until(() => `${marks()}` === 'lost,sent,sent', 'the marks');
  assert.deepEqual(room.notices(), ['dropped', 'away']);
  assert.equal(room.retry.value, null);
  assert.equal(room.ending.value, null);
});

test('a final end is shown, and queued messages are lost', async (t) => {
  const own = await startRelay(['--max-message', '100']);
  t.after(() => own.stop());
  const room = await enter(t, `${own.url}/end`);
  if (!room) return;
  await room.isOpen();
  room.say('x'.repeat(200));
  await until(() => room.ending.value, 'the end');
  assert.equal(room.ending.value.code, 1009);
  assert.equal(room.state.value, 'closed');
  room.say('to nobody');
  await until(() => room.messages().at(-1).status === 'lost', 'the mark');
});

test('it shows what was said before, and after another visit what was said since, once', async (t) => {
  const own = await startRelay(['--history-messages', '100']);
  t.after(() => own.stop());
  const url = `${own.url}/before`;
  const publish = async (text) => {
    const answer = await fetch(`${own.http}/before`, { method: 'POST', body: text });
    assert.equal(answer.status, 200);
  };
  await publish('before anybody came');
  const room = await enter(t, url);
  if (!room) return;
  await room.shows('before anybody came');
  room.say('mine');
  await publish('theirs');
  await room.shows('theirs');
  room.scope.stop();
  await publish('while it was away');
  const again = await enter(t, url);
  await again.shows('while it was away');
  assert.deepEqual(again.messages().map(({ text, mine }) => [text, mine]), [
    ['before anybody came', false], ['mine', true], ['theirs', false], ['while it was away', false]]);
  assert.deepEqual(again.notices(), ['earlier']);
  again.scope.stop();
  await own.stop();
  const other = await startRelay(['--history-messages', '100'], own.port);
  t.after(() => other.stop());
  const later = await enter(t, url);
  await until(() => later.notices().includes('missed'), 'the gap');
});

test('a flood is bounded', async (t) => {
  const url = `${relay.url}/flood`;
  const room = await enter(t, url);
  if (!room) return;
  await room.isOpen();
  const sender = new WebSocket(url);
  t.after(() => sender.terminate());
  await new Promise((resolve) => { sender.on('open', resolve); });
  let changes = 0;
  const { watch } = createVue();
  watch(room.entries, () => { changes += 1; }, { flush: 'sync' });
  for (let n = 0; n < 5000; n += 1) sender.send(`line ${n}`);
  await room.shows('line 4999');
  assert.equal(room.entries.value.length, 500);
  assert.ok(changes < 500, `${changes} changes for 5,000 messages`);
});

test('both languages have the same words', async () => {
  const { language, say, switchLanguage } = await source('words.js');
  const text = readFileSync(`${examples}vue-chat/src/words.js`, 'utf8');
  const names = (half) => [...half.split('\n};')[0].matchAll(/(\w+): (?:['`"]|\()/g)]
    .map((found) => found[1]);
  const [english, chinese] = text.split('const CHINESE').map(names);
  assert.ok(english.length > 30);
  assert.deepEqual(english, chinese);
  const had = language.value;
  switchLanguage();
  assert.notEqual(language.value, had);
  assert.equal(typeof say('retry', 1, 2), 'string');
  switchLanguage();
});
