// Event streams behind nginx, Caddy and HAProxy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { test } from 'node:test';
import { HOST, ownPort } from '../../clients/js/test/own.js';
import { HEADERS, PATIENCE, TLS, ended, startProxy, startRelay, untilLetIn } from './proxied.js';

// Publishes through the proxy; gives the relay's answer.
async function publish(port, body) {
  const request = https.request({ host: HOST, port, path: '/room', method: 'POST',
    headers: { ...HEADERS, 'Content-Type': 'text/plain' }, ...TLS });
  request.end(body);
  const [answer] = await once(request, 'response');
  const text = (await answer.setEncoding('utf8').toArray()).join('');
  assert.equal(answer.statusCode, 200, text);
  return JSON.parse(text);
}

// An event stream through the proxy: its head, and how to wait for its text or for its end.
async function stream(t, port, headers = {}) {
  const request = https.get({ host: HOST, port, path: '/room', ...TLS, agent: false,
    headers: { ...HEADERS, Accept: 'text/event-stream', ...headers } });
  t.after(() => request.destroy());
  const [answer] = await once(request, 'response');
  let text = '';
  answer.setEncoding('utf8').on('data', (more) => { text += more; }).on('error', () => {});
  const closed = once(answer, 'close').catch(() => {});
  let over = false;
  closed.then(() => { over = true; });
  const until = async (end) => {
    while (!text.endsWith(end)) {
      assert.equal(over, false, `it ended with ${JSON.stringify(text)}`);
      await Promise.race([once(answer, 'data'), closed]);
    }
    return text;
  };
  return { answer, until, closed };
}

for (const name of ['nginx', 'caddy', 'haproxy']) {
  test(`${name}: an event stream passes event by event, and resumes, also after a restart`,
    PATIENCE, async (t) => {
      const relay = ownPort();
      const first = await startRelay(t, relay, '--history-messages', '100');
      const port = await startProxy(t, name, relay);
      const listener = await stream(t, port);
      assert.equal(listener.answer.statusCode, 200);
      assert.equal(listener.answer.headers['content-type'], 'text/event-stream');
      await listener.until('\n\n'); // `retry:`, before any message
      const ids = [];
      for (const text of ['one', 'two', 'three']) {
        const { id, members } = await publish(port, text);
        assert.equal(members, 1);
        ids.push(id);
        await listener.until(`id: ${id}\ndata: ${text}\n\n`); // before the next is sent
      }
      const back = await stream(t, port, { 'Last-Event-ID': ids[0] });
      const events = await back.until('data: three\n\n');
      assert.equal(events.replace(/^retry: \d+\n\n/, ''),
        `id: ${ids[1]}\ndata: two\n\nid: ${ids[2]}\ndata: three\n\n`);
      first.kill('SIGTERM');
      await Promise.all([listener.closed, back.closed]);
      assert.equal(await ended(first), 0);
      await startRelay(t, relay, '--history-messages', '100');
      await untilLetIn(t, port);
      const again = await stream(t, port, { 'Last-Event-ID': ids[2] });
      assert.match(await again.until('event: gap\ndata: {}\n\n'), /^retry: \d+\n\n(id: .*\n)?event: gap/);
      again.answer.destroy(); // Caddy does not end while a stream is open
    });
}
