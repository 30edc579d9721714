// Event streams as Chromium's EventSource reads them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { startBrowser, startRelay } from './browser.js';
import { startCuttable } from '../../clients/js/test/cuttable.js';

const PATIENCE = { timeout: 60_000 };
const HISTORY = ['--history-messages', '100', '--drain', '0.1'];

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.stop());

/** Starts a relay that ends with the test. */
async function relayFor(t, flags = [], port) {
  const relay = await startRelay(flags, port);
  t.after(() => relay.stop('SIGKILL'));
  return relay;
}

/** Publishes a message in the room; gives the answer. */
async function publish(relay, body, type = 'text/plain') {
  const answer = await fetch(`${relay.http}/news`,
    { method: 'POST', body, headers: { 'Content-Type': type } });
  assert.equal(answer.status, 200);
  return answer.json();
}

/**
 * Opens an EventSource for `url` in a page of the relay's own origin. `until` waits for the first event of a
 * type that was not waited for yet, and gives all events since.
 */
async function listen(t, relay, url = `${relay.http}/news`) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.goto(`${relay.http}/_/health`);
  await page.evaluate((url) => {
    globalThis.seen = [];
    globalThis.source = new EventSource(url);
    for (const type of ['open', 'error', 'message', 'binary', 'text', 'gap']) {
      globalThis.source.addEventListener(type, ({ data, lastEventId }) => {
        const { readyState } = globalThis.source;
        globalThis.seen.push(type === 'open' || type === 'error'
          ? { type, readyState } : { type, data, id: lastEventId });
      });
    }
  }, url);
  let taken = 0;
  const until = async (type, fits = {}) => {
    const handle = await page.waitForFunction(([type, fits, taken]) => {
      const at = globalThis.seen.findIndex((one, at) => at >= taken && one.type === type
        && Object.entries(fits).every(([name, value]) => one[name] === value));
      return at >= 0 && { events: globalThis.seen.slice(taken, at + 1), to: at + 1 };
    }, [type, fits, taken], PATIENCE);
    const { events, to } = await handle.jsonValue();
    taken = to;
    return events;
  };
  return { page, until };
}

test('texts and binary messages arrive as events with their ids', PATIENCE, async (t) => {
  const relay = await relayFor(t, HISTORY);
  const { until } = await listen(t, relay);
  await until('open');
  const texts = ['hello', '', ' a: b', '万物皆有裂痕 🎺', 'one\ntwo\n\nfour'];
  for (const text of texts) {
    const { id, members } = await publish(relay, text);
    assert.equal(members, 1);
    assert.deepEqual(await until('message'), [{ type: 'message', data: text, id }]);
  }
  const { id } = await publish(relay, Buffer.from([0, 255, 10]), 'application/octet-stream');
  assert.deepEqual(await until('binary'), [{ type: 'binary', data: 'AP8K', id }]);
  const ends = '\n'.repeat(1000);
  const { id: last } = await publish(relay, ends);
  const data = Buffer.from(ends).toString('base64');
  assert.deepEqual(await until('text'), [{ type: 'text', data, id: last }]);
});

test('after its connection was cut it misses nothing and gets nothing twice', PATIENCE, async (t) => {
  const relay = await relayFor(t, HISTORY);
  const cuttable = await startCuttable(t, relay);
  const { until } = await listen(t, relay, `${cuttable.http}/news`);
  await until('open');
  await publish(relay, 'before');
  await until('message', { data: 'before' });
  cuttable.cut();
  await until('error', { readyState: 0 });
  const ids = [];
  for (const text of ['while it is away', 'and another']) ids.push((await publish(relay, text)).id);
  const events = await until('message', { data: 'and another' });
  assert.deepEqual(events, [
    { type: 'open', readyState: 1 },
    { type: 'message', data: 'while it is away', id: ids[0] },
    { type: 'message', data: 'and another', id: ids[1] },
  ]);
});

for (const [how, signal] of [['is killed', 'SIGKILL'], ['is shut down', 'SIGTERM']]) {
  test(`a relay that ${how} and starts again is found again, and a gap is told`, PATIENCE, async (t) => {
    const first = await relayFor(t, HISTORY);
    const { until } = await listen(t, first);
    await until('open');
    await publish(first, 'before');
    await until('message', { data: 'before' });
    await first.stop(signal);
    await until('error', { readyState: 0 });
    const second = await relayFor(t, HISTORY, first.port);
    await until('open');
    const { id } = await publish(second, 'after');
    const [gap, ...messages] = await until('message');
    assert.deepEqual({ ...gap, id: '' }, { type: 'gap', data: '{}', id: '' });
    assert.deepEqual(messages, [{ type: 'message', data: 'after', id }]);
  });
}

test('a page of another origin is let in where it is listed, and elsewhere refused for good', PATIENCE, async (t) => {
  const site = await relayFor(t); // it only gives the page
  const open = await relayFor(t, ['--allow-origin', site.http]);
  const { until } = await listen(t, site, `${open.http}/news`);
  await until('open');
  await publish(open, 'for pages of that site');
  await until('message', { data: 'for pages of that site' });
  const closed = await relayFor(t, ['--allow-origin', 'https://example.org']);
  const refused = await listen(t, site, `${closed.http}/news`);
  assert.deepEqual(await refused.until('error'), [{ type: 'error', readyState: 2 }], 'CLOSED');
});

test('where there is no place for a room it comes back until there is', PATIENCE, async (t) => {
  const relay = await relayFor(t, ['--max-rooms', '1']);
  const other = new WebSocket(`${relay.url}/other`);
  await once(other, 'open');
  const { until } = await listen(t, relay);
  await until('error', { readyState: 0 });
  other.close();
  await once(other, 'close');
  await until('open');
  assert.equal((await publish(relay, 'now there is')).members, 1);
  const events = await until('message');
  assert.deepEqual(events, [{ type: 'message', data: 'now there is', id: '' }]);
});
