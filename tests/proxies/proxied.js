// A relay behind nginx, Caddy or HAProxy, with the files of dist/: only addresses, paths and, where a
// test is about them, times are other ones. Each proxy is a process without rights.
//
// FANFARE_BIN names the relay's binary.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { HOST, ownPort } from '../../clients/js/test/own.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = process.env.FANFARE_BIN ?? join(ROOT, 'target/release/fanfare');
const NOBODY = 65534;
export const PATIENCE = { timeout: 60_000 };

export const MESSAGE_BYTES = 1_000_000;

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

export const PROXIES = {
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
export async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return (await once(child, 'exit'))[0];
}

// Ends a process that was started here, and waits for its end.
function end(child, signal) {
  child.kill(signal);
  return ended(child);
}

// `port` may have options behind it.
export async function startRelay(t, port, ...flags) {
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
export async function startProxy(t, name, relay, times = [], hosts = [HOST]) {
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

export const TLS = { servername: 'chat.example.com', rejectUnauthorized: false };
export const HEADERS = { Host: 'chat.example.com' };

// A client through the proxy; `heard` and `closed` are promises.
export class Client {
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
export async function untilLetIn(t, port, count = 1) {
  for (;;) {
    const outcomes = await Promise.all([...Array(count)].map(() => new Client(t, port).outcome));
    if (outcomes.every((outcome) => outcome === 'open')) return;
    await sleep(50);
  }
}

export async function chat(one, other, text) {
  const heard = other.hear();
  one.socket.send(text);
  assert.equal((await heard).toString(), text);
}
