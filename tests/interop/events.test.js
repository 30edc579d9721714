// Event streams as curl and the npm package `eventsource` read them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { startRelay } from '../../clients/js/test/relay.js';
import { start } from '../examples/program.js';
import { PATIENCE } from './client.js';

const HISTORY = ['--history-messages', '100', '--drain', '0.1'];

/** Starts a relay that ends with the test; gives the room's address too. */
async function relayFor(t, flags = HISTORY, port) {
  const relay = await startRelay(flags, port);
  t.after(() => relay.stop('SIGKILL'));
  return { ...relay, room: `${relay.http}/news` };
}

async function publish({ room }, body, type = 'text/plain') {
  const answer = await fetch(room, { method: 'POST', body, headers: { 'Content-Type': type } });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** Starts `curl -N` in the room. */
function curl(t, { room }, ...more) {
  return start(t, 'curl', ['-sN', '-H', 'Accept: text/event-stream', ...more, room]);
}

test('curl -N prints each event when it comes, and resumes behind an id', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const program = curl(t, relay);
  const first = await program.until('out', (out) => out.endsWith('\n\n'));
  assert.match(first, /^retry: [1-5]\d{3}\n\n$/);
  let expected = first;
  const ids = [];
  for (const text of ['hello', 'two\nlines']) {
    const { id } = await publish(relay, text);
    ids.push(id);
    expected += `id: ${id}\n${text.replace(/^/gm, 'data: ')}\n\n`;
    await program.until('out', (out) => out === expected);
  }
  const { id } = await publish(relay, Buffer.from([1, 2, 255]), 'application/octet-stream');
  expected += `id: ${id}\nevent: binary\ndata: AQL/\n\n`;
  await program.until('out', (out) => out === expected);
  const back = curl(t, relay, '-H', `Last-Event-ID: ${ids[0]}`);
  const behind = expected.slice(expected.indexOf(`id: ${ids[1]}`));
  await back.until('out', (out) => out.replace(/^retry: \d+\n\n/, '') === behind);
});

test('curl is told that a stream which a shutdown ends is not complete', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const program = curl(t, relay);
  await program.until('out', (out) => out.endsWith('\n\n'));
  assert.equal(await relay.stop('SIGTERM'), 0);
  assert.equal(await program.ended, 18, 'CURLE_PARTIAL_FILE');
  assert.match(program.said.out, /^retry: \d+\n\nretry: \d+\n\n$/);
});

/** An `EventSource` whose events a test takes in turn. */
function listen(t, { room }) {
  const source = new EventSource(room);
  t.after(() => source.close());
  const events = [];
  let wake = () => {};
  for (const type of ['open', 'error', 'message', 'binary', 'gap']) {
    source.addEventListener(type, ({ data, lastEventId: id }) => {
      events.push(data === undefined ? { type } : { type, data, id });
      wake();
    });
  }
  const next = async () => {
    while (events.length === 0) await new Promise((resolve) => { wake = resolve; });
    return events.shift();
  };
  return { source, next };
}

test('eventsource: messages with their ids, a restart of the relay, a gap', PATIENCE, async (t) => {
  const relay = await relayFor(t);
  const { source, next } = listen(t, relay);
  assert.deepEqual(await next(), { type: 'open' });
  const { id } = await publish(relay, '你好\n🎺');
  assert.deepEqual(await next(), { type: 'message', data: '你好\n🎺', id });
  const { id: last } = await publish(relay, Buffer.from([0, 255]), 'application/octet-stream');
  assert.deepEqual(await next(), { type: 'binary', data: 'AP8=', id: last });
  await relay.stop('SIGKILL');
  assert.deepEqual(await next(), { type: 'error' });
  assert.equal(source.readyState, EventSource.CONNECTING);
  const again = await relayFor(t, HISTORY, relay.port);
  let event;
  do event = await next(); while (event.type === 'error'); // no relay listened yet
  assert.deepEqual(event, { type: 'open' });
  const { type, data } = await next();
  assert.deepEqual([type, data], ['gap', '{}']);
  const { id: after } = await publish(again, 'after');
  assert.deepEqual(await next(), { type: 'message', data: 'after', id: after });
});

test('eventsource: 403 is final', PATIENCE, async (t) => {
  const relay = await relayFor(t, ['--allow-origin', 'https://example.org']);
  const { room } = relay;
  const source = new EventSource(room, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Origin: 'https://a.example' } }),
  });
  t.after(() => source.close());
  const { code } = await new Promise((resolve) => { source.addEventListener('error', resolve); });
  assert.equal(code, 403);
  assert.equal(source.readyState, EventSource.CLOSED);
});
