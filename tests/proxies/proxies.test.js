// WebSockets and the page behind nginx, Caddy and HAProxy. Nothing waits for time but the tests of silence.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOST, ownPort } from '../../clients/js/test/own.js';
import {
  Client, HEADERS, MESSAGE_BYTES, PATIENCE, PROXIES, TLS, chat, ended, startProxy, startRelay, untilLetIn,
} from './proxied.js';

const ROOM_FOR_LARGE = ['--max-message', '1048576', '--room-log', '8388608'];

// What the proxy answers over HTTP/2.
async function ask2(t, port, headers) {
  const session = http2.connect(`https://${HOST}:${port}`, TLS);
  t.after(() => session.destroy());
  const request = session.request({ ':path': '/', ':authority': 'chat.example.com', ...headers });
  const [answer] = await once(request, 'response');
  request.resume();
  await once(request, 'close');
  return answer;
}

for (const name of Object.keys(PROXIES)) {
  const at = (port) => `${port}${PROXIES[name].options ?? ''}`;
  test(`${name}: two clients chat, a large message passes, and so does the page`, PATIENCE,
    async (t) => {
      const relay = ownPort();
      await startRelay(t, at(relay), ...ROOM_FOR_LARGE);
      const port = await startProxy(t, name, relay);
      const [one, other] = [await Client.join(t, port), await Client.join(t, port)];
      await chat(one, other, '你好');
      await chat(other, one, 'hello');
      const large = Buffer.alloc(MESSAGE_BYTES, 'fanfare');
      const heard = other.hear();
      one.socket.send(large);
      assert.ok(large.equals(await heard));
      const headers = { ...HEADERS, Accept: 'text/html' };
      const request = https.get({ host: HOST, port, path: '/', headers, ...TLS });
      const [page] = await once(request, 'response');
      page.resume();
      assert.equal(page.statusCode, 200);
      assert.match(page.headers['content-type'], /^text\/html/);
    });

  test(`${name}: the relay's restart reaches the clients, and they reconnect`, PATIENCE,
    async (t) => {
      const relay = ownPort();
      const first = await startRelay(t, at(relay));
      const port = await startProxy(t, name, relay);
      const clients = [await Client.join(t, port), await Client.join(t, port)];
      first.kill('SIGTERM');
      for (const client of clients) assert.equal(await client.closed, 1012);
      assert.equal(await ended(first), 0);
      // Nobody is there: the proxy says so at once.
      const refused = await new Client(t, port).outcome;
      assert.ok([502, 503].includes(refused.status), JSON.stringify(refused));
      await startRelay(t, at(relay));
      await untilLetIn(t, port);
      await chat(await Client.join(t, port), await Client.join(t, port), 'back again');
    });

  test(`${name}: a refusal passes as it is`, PATIENCE, async (t) => {
    const relay = ownPort();
    await startRelay(t, at(relay), '--max-connections', '2');
    const port = await startProxy(t, name, relay);
    const clients = [await Client.join(t, port), await Client.join(t, port)];
    const refused = await new Client(t, port).outcome;
    assert.equal(refused.status, 503);
    assert.match(refused.retry, /^\d+$/);
    await chat(...clients, 'those inside are served');
  });

  test(`${name}: the client's address is the one that counts`, PATIENCE, async (t) => {
    const all = Object.values(networkInterfaces()).flat();
    const own = all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    if (!own) return t.skip('this machine has no address but its loopback');
    const relay = ownPort();
    await startRelay(t, at(relay), '--max-per-address', '1');
    const port = await startProxy(t, name, relay, [], [HOST, own]);
    assert.equal(await new Client(t, port, own).outcome, 'open');
    assert.equal((await new Client(t, port, own).outcome).status, 429);
    assert.equal(await new Client(t, port).outcome, 'open', 'from another address');
  });

  const { silence } = PROXIES[name];
  test(`${name}: a silent client stays, by the relay's pings`, PATIENCE, async (t) => {
    const relay = ownPort();
    await startRelay(t, at(relay), '--ping-interval', '1');
    const port = await startProxy(t, name, relay, silence);
    const clients = [await Client.join(t, port), await Client.join(t, port)];
    await sleep(8000); // more than two of the proxy's three seconds
    await chat(...clients, 'still here');
  });

  if (silence) {
    test(`${name}: without pings the same silence is cut`, PATIENCE, async (t) => {
      const relay = ownPort();
      await startRelay(t, at(relay), '--ping-interval', '25');
      const port = await startProxy(t, name, relay, silence);
      const client = await Client.join(t, port);
      assert.equal(await client.closed, 1006);
    });
  }
}

test('nginx: the page, its parts and its room work below a path of a site', PATIENCE, async (t) => {
  const relay = ownPort();
  await startRelay(t, relay);
  const port = await startProxy(t, 'nginx', relay, [
    ['location / {', 'location /relay/ {'], ['proxy_pass http://fanfare;', 'proxy_pass http://fanfare/;'],
  ]);
  const get = async (path) => {
    const headers = { ...HEADERS, Accept: 'text/html' };
    const [answer] = await once(https.get({ host: HOST, port, path, headers, ...TLS }), 'response');
    const text = (await answer.setEncoding('utf8').toArray()).join('');
    assert.equal(answer.statusCode, 200, path);
    return { text, type: answer.headers['content-type'] };
  };
  for (const path of ['/relay/', '/relay/news', '/relay/a/b/c']) {
    const { text } = await get(path);
    const parts = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, part]) => part);
    assert.equal(parts.length, 3, text);
    for (const part of parts) {
      const { pathname } = new URL(part, `https://chat.example.com${path}`);
      assert.match((await get(pathname)).type, /^(image|text)\/(svg|css|javascript)/, part);
    }
    const room = /data-room="([^"]+)"/.exec(text)[1];
    assert.equal(room, path.slice('/relay'.length));
    const about = async () => JSON.parse((await get(`/relay/_/room${room}`)).text).members;
    assert.equal(await about(), 0);
    const client = new Client(t, port, HOST, path);
    assert.equal(await client.outcome, 'open');
    assert.equal(await about(), 1);
  }
});

// The example with HTTP/2 turned on, in the spelling of this nginx.
const HTTP_2 = {
  nginx: (port) => [[`listen ${HOST}:${port} ssl`, `listen ${HOST}:${port} ssl http2`]],
  caddy: () => [], // it is on
  haproxy: () => [['alpn http/1.1', 'alpn h2,http/1.1']],
};
for (const [name, on] of Object.entries(HTTP_2)) {
  test(`${name}: over HTTP/2 the page and a refusal pass, and beside it members chat`, PATIENCE,
    async (t) => {
      const relay = ownPort();
      await startRelay(t, relay);
      const port = await startProxy(t, name, relay, on);
      assert.equal((await ask2(t, port, { accept: 'text/html' }))[':status'], 200);
      const refused = await ask2(t, port, {});
      assert.deepEqual([refused[':status'], refused.upgrade], [426, undefined]);
      assert.equal((await ask2(t, port, { ':path': '/_/health' }))[':status'], 200);
      await chat(await Client.join(t, port), await Client.join(t, port), 'over HTTP/1.1');
      const plain = https.get({ host: HOST, port, path: '/', headers: HEADERS, ...TLS });
      const [answer] = await once(plain, 'response');
      answer.resume();
      assert.deepEqual([answer.statusCode, answer.headers['sec-websocket-version']], [426, '13']);
    });
}

test('haproxy: while one relay goes down, clients come to the other', PATIENCE, async (t) => {
  const [going, staying] = [ownPort(), ownPort()];
  const first = await startRelay(t, going, '--drain-timeout', '50', '--close-timeout', '50');
  await startRelay(t, staying);
  const port = await startProxy(t, 'haproxy', going, [
    [`server relay ${HOST}:${going}`,
      `server relay ${HOST}:${going}\n    server other ${HOST}:${staying}`],
  ]);
  // A member that does not answer the close frame keeps the relay running.
  const member = connect(going, HOST);
  t.after(() => member.destroy());
  member.write('GET /room HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n'
    + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  await once(member, 'data');
  first.kill('SIGTERM');
  await once(member, 'data'); // the close frame
  assert.equal((await fetch(`http://${HOST}:${going}/_/health`)).status, 503);
  await untilLetIn(t, port, 8); // by turns they would come to both
  assert.equal(first.exitCode, null);
});

// HAProxy's default check.
test('haproxy: `option httpchk` alone finds the relay well', PATIENCE, async (t) => {
  const relay = ownPort();
  await startRelay(t, relay);
  const port = await startProxy(t, 'haproxy', relay, [['option httpchk GET /_/health', 'option httpchk']]);
  await sleep(3000); // three of its questions
  assert.equal(await new Client(t, port).outcome, 'open');
});
