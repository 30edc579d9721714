// fanfare-client in Chromium, as the relay serves it: nothing missing, nothing twice, or a gap told.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { startCuttable } from '../../clients/js/test/cuttable.js';
import { startBrowser, startRelay } from './browser.js';

const PATIENCE = { timeout: 60_000 };
const HISTORY = ['--history-messages', '100', '--heartbeat', 'ping=pong', '--drain', '0.1'];

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.stop());

async function relayFor(t, flags = HISTORY, port = undefined) {
  const relay = await startRelay(flags, port);
  t.after(() => relay.stop('SIGKILL'));
  return relay;
}

/** A page with the client in the room at `url`; `told` gives its messages, gaps and states. */
async function enter(t, relay, url = relay.url) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.goto(`${relay.http}/_/health`);
  await page.evaluate(async (address) => {
    const { connect } = await import('/_/client.js');
    globalThis.told = [];
    globalThis.room = connect(address, { backoffBaseMs: 50, backoffMaxMs: 200,
      heartbeat: ['ping', 'pong'], pingIntervalMs: 500, pongTimeoutMs: 500 });
    const { room, told } = globalThis;
    room.on('message', (data) => told.push(data));
    room.on('gap', ({ missed }) => told.push(missed ? 'GAP' : 'DROPPED'));
    room.on('close', () => told.push('CLOSED'));
    await room.ready;
  }, `${url}/news`);
  const until = async (last) => {
    await page.waitForFunction((text) => globalThis.told.includes(text), last, PATIENCE);
    const told = await page.evaluate(() => globalThis.told);
    return told.filter((each) => each !== 'CLOSED');
  };
  const publish = (data) => page.evaluate((text) => globalThis.room.publish(text), data);
  return { page, until, publish };
}

/** Puts the page to sleep: no event and no timer reaches it. Gives a function that wakes it. */
async function sleep(t, page) {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const asked = once(server, 'request');
  const slept = page.evaluate((url) => {
    const request = new XMLHttpRequest();
    request.open('GET', url, false); // it waits for the answer, and all the page with it
    request.send();
  }, `http://127.0.0.1:${server.address().port}`);
  const [, answer] = await asked;
  return () => {
    answer.writeHead(200, { 'Access-Control-Allow-Origin': '*', Connection: 'close' }).end();
    return slept;
  };
}

async function say(relay, ...texts) {
  for (const body of texts) {
    const answer = await fetch(`${relay.http}/news`, { method: 'POST', body });
    assert.equal(answer.status, 200);
  }
}

test('it speaks fanfare.v1, and is told the id of what it publishes', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const { page, until, publish } = await enter(t, relay);
  assert.equal(await page.evaluate(() => globalThis.room.protocol), 'fanfare.v1');
  assert.match(await publish('mine'), /^1:/);
  await say(relay, 'theirs');
  assert.deepEqual(await until('theirs'), ['theirs']);
});

test('the network is cut: what was said meanwhile comes, and its own does not come back', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const network = await startCuttable(t, relay);
  const { page, until, publish } = await enter(t, relay, network.url);
  await say(relay, 'a');
  await until('a');
  await publish('mine');
  network.cut();
  await page.waitForFunction(() => globalThis.told.includes('CLOSED'));
  const queued = publish('mine too');
  await say(relay, 'b', 'c');
  assert.deepEqual(await until('c'), ['a', 'b', 'c']);
  assert.match(await queued, /^\d+:/);
});

test('the relay is killed: a gap is told, and what was queued is published', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const { page, until, publish } = await enter(t, relay);
  await say(relay, 'a');
  await until('a');
  await relay.stop('SIGKILL');
  await page.waitForFunction(() => globalThis.told.includes('CLOSED'));
  const queued = publish('mine');
  const second = await relayFor(t, HISTORY, relay.port);
  assert.match(await queued, /^\d+:/);
  await say(second, 'b');
  assert.deepEqual(await until('b'), ['a', 'GAP', 'b']);
});

test('the tab sleeps, and its connection is lost meanwhile: it goes on where it was', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const network = await startCuttable(t, relay);
  const { page, until } = await enter(t, relay, network.url);
  await say(relay, 'a');
  await until('a');
  const wake = await sleep(t, page);
  await say(relay, 'b');
  network.cut();
  await say(relay, 'c');
  await wake();
  assert.deepEqual(await until('c'), ['a', 'b', 'c']);
});

test('the tab sleeps for so long that the room has forgotten some of it: a gap is told', PATIENCE, async (t) => {
  const relay = await relayFor(t, ['--history-messages', '2', '--heartbeat', 'ping=pong']);
  const network = await startCuttable(t, relay);
  const { page, until } = await enter(t, relay, network.url);
  await say(relay, 'a');
  await until('a');
  const wake = await sleep(t, page);
  network.cut();
  await say(relay, 'b', 'c', 'd');
  await wake();
  assert.deepEqual(await until('d'), ['a', 'GAP', 'c', 'd']);
});
