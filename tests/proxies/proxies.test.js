// The relay behind nginx, Caddy and HAProxy, with the files of dist/: only addresses, paths and, where a
// test is about them, times are other ones. Each proxy is a process without rights.
//
// FANFARE_BIN names the relay's binary. Nothing waits for time but the tests of silence.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import http2 from 'node:http2';
import https from 'node:https';
import WebSocket from 'ws';
import { HOST, ownPort } from '../../clients/js/test/own.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = process.env.FANFARE_BIN ?? join(ROOT, 'target/release/fanfare');
const NOBODY = 65534;
const PATIENCE = { timeout: 60_000 };

const MESSAGE_BYTES = 1_000_000;
const ROOM_FOR_LARGE = ['--max-message', '1048576', '--room-log', '8388608'];

// A folder that a process without rights may use.
function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'fanfare-proxy-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const [cert, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((name) => join(path, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=chat.example.com',
    '-addext', 'subjectAltName=DNS:chat.example.com', '-keyout', key, '-out', cert],
  { stdio: 'ignore' });
  writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  for (const file of [path, cert, key, both]) {
    chmodSync(file, file === path ? 0o755 : 0o644);
    if (process.getuid() === 0) chownSync(file, NOBODY, NOBODY);
  }
  return { path, cert, key, both };
}

// Replaces a text that must be there, so that a changed file does not go untested.
function replaced(text, pairs) {
  for (const [from, to] of pairs) {
    assert.ok(text.includes(from), `the example has no ${JSON.stringify(from)}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const PROXIES = {
  nginx: {
    silence: [['proxy_read_timeout 60s', 'proxy_read_timeout 3s']],
    start({ path, cert, key }, { hosts, port }, relay, times) {
      const live = '/etc/letsencrypt/live/chat.example.com';
      const site = replaced(readFileSync(join(ROOT, 'dist/nginx.conf'), 'utf8'), [
        ['listen 443 ssl;', hosts.map((host) => `listen ${host}:${port} ssl;`).join('\n    ')],
        ['127.0.0.1:2046', `${HOST}:${relay}`],
        [`${live}/fullchain.pem`, cert],
        [`${live}/privkey.pem`, key],
        ...times,
      ]);
      writeFileSync(join(path, 'site.conf'), site);
      const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      writeFileSync(join(path, 'nginx.conf'), `
        daemon off; pid ${path}/pid; error_log stderr; worker_processes 1;
        events { worker_connections 256; }
        http {
          access_log off;
          ${kinds.map((kind) => `${kind}_temp_path ${path}/${kind};`).join('\n')}
          include ${path}/site.conf;
        }`);
      return ['nginx', '-e', 'stderr', '-c', join(path, 'nginx.conf')];
    },
  },
  caddy: {
    start({ path, cert, key }, { hosts, port }, relay, times) {
      const site = replaced(readFileSync(join(ROOT, 'dist/Caddyfile'), 'utf8'), [
        ['chat.example.com {', 
          `https://chat.example.com:${port} {\n\tbind ${hosts.join(' ')}\n\ttls ${cert} ${key}`],
        ['127.0.0.1:2046', `${HOST}:${relay}`],
        ...times,
      ]);
      const own = '{\n\tadmin off\n\tauto_https disable_redirects\n}\n';
      writeFileSync(join(path, 'Caddyfile'), own + site);
      return ['caddy', 'run', '--adapter', 'caddyfile', '--config', join(path, 'Caddyfile')];
    },
  },
  haproxy: {
    silence: [['timeout tunnel  60s', 'timeout tunnel  3s']],
    start({ path, both }, { hosts, port }, relay, times) {
      const site = replaced(readFileSync(join(ROOT, 'dist/haproxy.cfg'), 'utf8'), [
        ['bind :443', `bind ${hosts.map((host) => `${host}:${port}`)}`],
        ['127.0.0.1:2046', `${HOST}:${relay}`],
        ['/etc/haproxy/chat.example.com.pem', both],
        ['maxconn 20000', 'maxconn 200'],
        ...times,
      ]);
      writeFileSync(join(path, 'haproxy.cfg'), site);
      return ['haproxy', '-db', '-f', join(path, 'haproxy.cfg')];
    },
  },
};

// The same file, as its comment says for the PROXY protocol.
PROXIES['haproxy with the PROXY protocol'] = {
  options: '?proxy',
  start: (files, at, relay) => PROXIES.haproxy.start(files, at, relay, [
    ['option forwardfor', '# option forwardfor'],
    [`server relay ${HOST}:${relay}`, `server relay ${HOST}:${relay} send-proxy-v2`],
  ]),
};

// The exit code of a process that ends.
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return (await once(child, 'exit'))[0];
}

// Ends a process that was started here, and waits for its end.
function end(child, signal) {
  child.kill(signal);
  return ended(child);
}

// `port` may have options behind it.
async function startRelay(t, port, ...flags) {
  const child = spawn(BIN,
    ['--listen', `${HOST}:${port}`, '--admin', 'none', '--trust-proxy', '127.0.0.1',
      '--log-level', 'warn', '--drain', '1', ...flags],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => end(child, 'SIGKILL'));
  await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => assert.fail('the relay ended before it listened')),
  ]);
  return child;
}

// Starts the proxy in front of a relay that listens at `relay`; gives the proxy's port, at `hosts`.
async function startProxy(t, name, relay, times = [], hosts = [HOST]) {
  const files = folder(t);
  const port = ownPort();
  const changes = typeof times === 'function' ? times(port) : times;
  const command = PROXIES[name].start(files, { hosts, port }, relay, changes);
  const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
  const [program, ...args] = process.getuid() === 0 ? [...drop, ...command] : command;
  const log = [];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: files.path,
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: files.path, XDG_DATA_HOME: files.path },
  });
  child.stdout.on('data', (data) => log.push(data));
  child.stderr.on('data', (data) => log.push(data));
  t.after(() => end(child, 'SIGTERM'));
  while (!(await accepts(port))) {
    assert.equal(child.exitCode, null, `${name} ended:\n${log.join('')}`);
    await sleep(20);
  }
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

const TLS = { servername: 'chat.example.com', rejectUnauthorized: false };
const HEADERS = { Host: 'chat.example.com' };

// A client through the proxy; `heard` and `closed` are promises.
class Client {
  constructor(t, port, host = HOST, path = '/room') {
    this.socket = new WebSocket(`wss://${host}:${port}${path}`, {
      ...TLS, headers: HEADERS, maxPayload: 2 * MESSAGE_BYTES,
    });
    t.after(() => this.socket.terminate());
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    // Open, or the status of a refusal.
    this.outcome = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve('open'));
      this.socket.on('unexpected-response', (request, response) => {
        resolve({ status: response.statusCode, retry: response.headers['retry-after'] });
        request.destroy();
      });
      this.socket.on('error', reject);
    });
    this.outcome.catch(() => {}); // it may be looked at later
  }

  static async join(t, port) {
    const client = new Client(t, port);
    assert.equal(await client.outcome, 'open');
    return client;
  }

  async hear() {
    const [data] = await Promise.race([
      once(this.socket, 'message'),
      this.closed.then((code) => assert.fail(`closed with ${code}`)),
    ]);
    return data;
  }
}

// Proxies that ask whether the relay is well learn a little later that it is.
async function untilLetIn(t, port, count = 1) {
  for (;;) {
    const outcomes = await Promise.all([...Array(count)].map(() => new Client(t, port).outcome));
    if (outcomes.every((outcome) => outcome === 'open')) return;
    await sleep(50);
  }
}

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

async function chat(one, other, text) {
  const heard = other.hear();
  one.socket.send(text);
  assert.equal((await heard).toString(), text);
}

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
