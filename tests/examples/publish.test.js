// Publishing from a web request in PHP, Node, Python and Go, on the real relay.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { SECRET, member, startBackend, startKeyedRelay } from './backend.js';
import { examples, goProgram, missing, php, python } from './prepared.js';
import { until } from './program.js';

const BACKENDS = {
  php: () => (php() ? [php(), '-S', '127.0.0.1:0', `${examples}php/publish.php`] : 'there is no php-cli'),
  node: () => [process.execPath, `${examples}node/publish.mjs`, '0'],
  python: () => {
    const command = python();
    return command ? [command, `${examples}python/publish.py`, '0'] : 'there is no python3 with requests';
  },
  go: () => {
    const program = goProgram('publish');
    return program ? [program, '0'] : 'there is no go';
  },
};

let relay;
let commands;
before(async () => {
  relay = await startKeyedRelay();
  commands = Object.fromEntries(Object.entries(BACKENDS).map(([name, find]) => [name, find()]));
});
after(() => relay.stop());

/** Starts a backend of a relay; null, and the test is skipped, if it cannot run here. */
async function backend(t, name, url, secret = SECRET) {
  const command = commands[name];
  if (typeof command === 'string') {
    missing(t, command);
    return null;
  }
  const address = await startBackend(t, command, { FANFARE_URL: url, FANFARE_SECRET: secret });
  /** A web request: what a page's form sends. */
  return async (form) => {
    const answer = await fetch(address, { method: 'POST', body: new URLSearchParams(form) });
    return { status: answer.status, ...await answer.json() };
  };
}

for (const name of Object.keys(BACKENDS)) {
  test(`${name} publishes what a page says to all others, once`, async (t) => {
    const own = await startKeyedRelay();
    t.after(() => own.stop());
    const say = await backend(t, name, own.http);
    if (!say) return;
    const [page, other] = [await member(t, own, 'news', 'page'), await member(t, own, 'news', 'other')];
    const { page: connection } = await own.publicIds('news');
    const text = 'hello & 你好\n"🎺" + 1';
    const first = await say({ text, connection, key: 'a key of the page' });
    assert.equal(first.status, 200, JSON.stringify(first));
    assert.match(first.id, /^1:/);
    assert.equal(first.members, 1, 'all but the page');
    const again = await say({ text, connection, key: 'a key of the page' });
    assert.equal(again.id, first.id, 'the same message is not published again');
    const last = await say({ text: 'to all' });
    assert.deepEqual([last.status, last.members], [200, 2], JSON.stringify(last));
    assert.match(last.id, /^2:/);
    await until(() => other.length === 2 && page.length === 1, 'the messages');
    assert.deepEqual([page, other], [['to all'], [text, 'to all']]);
  });

  test(`${name} sends a message again, with its key, when the relay does not answer`, async (t) => {
    const requests = [];
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece) => { body += piece; }).on('end', () => {
        requests.push({ url: request.url, key: request.headers['idempotency-key'], body });
        if (requests.length === 1) request.socket.destroy();
        else response.writeHead(requests.length === 2 ? 503 : 200).end('{"id":"7:a","members":3}');
      });
    });
    t.after(() => { server.close(); server.closeAllConnections(); });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const say = await backend(t, name, `http://127.0.0.1:${server.address().port}`);
    if (!say) return;
    const said = await say({ text: 'hello', connection: 'a+b/c' });
    assert.deepEqual([said.status, said.id, said.members], [200, '7:a', 3]);
    assert.equal(requests.length, 3);
    assert.ok(requests[0].key.length >= 32, requests[0].key);
    for (const request of requests) assert.deepEqual(request, requests[0]);
    assert.deepEqual([requests[0].url, requests[0].body], ['/news?except=a%2Bb%2Fc', 'hello']);
  });

  test(`${name} says why the relay refuses`, async (t) => {
    const say = await backend(t, name, relay.http, 'another secret, which the relay does not know');
    if (!say) return;
    const said = await say({ text: 'hello' });
    assert.equal(said.status, 502);
    assert.match(said.error, /signature/);
  });
}
