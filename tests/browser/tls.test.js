// TLS and compression in a real browser: the live page over https, its room over wss.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { HOST } from '../../clients/js/test/own.js';
import { missing, python } from '../examples/prepared.js';
import { digest, pythonMember } from '../interop/python.js';
import { openPage, startBrowser, startRelay } from './browser.js';

const folder = mkdtempSync(join(tmpdir(), 'fanfare-tls-'));
const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));

let browser;
let stranger;
let relay;
before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '2', '-subj', `/CN=${HOST}`, '-addext', `subjectAltName=IP:${HOST}`,
    '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const { publicKey } = new X509Certificate(readFileSync(cert));
  const spki = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  // Only this very key is trusted: another certificate would fail, as it does for the stranger.
  const trust = `--ignore-certificate-errors-spki-list=${spki.digest('base64')}`;
  const flags = ['--tls-cert', cert, '--tls-key', key, '--deflate', '--deflate-share-min', '2'];
  [browser, stranger, relay] = await Promise.all([
    startBrowser({}, [trust]), startBrowser(), startRelay(flags),
  ]);
});
after(async () => {
  await Promise.all([browser.stop(), stranger.stop(), relay.stop()]);
  rmSync(folder, { recursive: true });
});

const address = (scheme, path) => `${relay.http.replace('http', scheme)}${path}`;

test('the live page works over TLS 1.3, and only with a certificate that is trusted', async () => {
  const pages = await Promise.all([1, 2].map(() => openPage(browser.context, address('https', '/news'))));
  for (const { page } of pages) await page.waitForSelector('#state[data-state=open]');
  assert.equal(await pages[0].page.evaluate(() => globalThis.isSecureContext), true);
  const response = await pages[0].page.reload();
  assert.equal((await response.securityDetails()).protocol, 'TLS 1.3');
  await pages[0].page.waitForSelector('#state[data-state=open]');
  await pages[0].page.fill('#text', 'hello over TLS');
  await pages[0].page.press('#text', 'Enter');
  await pages[1].page.locator('#messages li').filter({ hasText: 'hello over TLS' }).waitFor();
  assert.deepEqual(pages.flatMap(({ complaints }) => complaints), []);
  await Promise.all(pages.map(({ page }) => page.close()));
  await assert.rejects(openPage(stranger.context, address('https', '/')), /ERR_CERT_AUTHORITY_INVALID/);
});

// Chromium, node's `ws` and Python's `websockets`, with a context and without one, beside a plain one.
test('clients of all kinds in one room inflate the same, and a page is understood', async (t) => {
  const interpreter = python();
  if (!interpreter) return missing(t, 'there is no python3 with websockets');
  const { page } = await openPage(browser.context, address('https', '/other'));
  const url = address('wss', '/prices');
  const extensions = await page.evaluate(async (url) => {
    globalThis.heard = [[], [], []];
    globalThis.sockets = globalThis.heard.map((heard) => {
      const socket = new WebSocket(url);
      socket.addEventListener('message', (event) => heard.push(event.data));
      return socket;
    });
    await Promise.all(globalThis.sockets.map((socket) => new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    })));
    return globalThis.sockets.map((socket) => socket.extensions);
  }, url);
  for (const agreed of extensions) assert.match(agreed, /^permessage-deflate/);
  const plain = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false });
  const heard = [];
  plain.on('message', (data) => heard.push(data.toString()));
  await once(plain, 'open');
  const sharer = new WebSocket(url, { rejectUnauthorized: false });
  const forgetful = new WebSocket(url, {
    rejectUnauthorized: false, perMessageDeflate: { serverNoContextTakeover: true },
  });
  const forgetfulHeard = [];
  forgetful.on('message', (data) => forgetfulHeard.push(data.toString()));
  await Promise.all([once(sharer, 'open'), once(forgetful, 'open')]);
  const snakes = await Promise.all(['context', 'no-context', 'plain']
    .map((kind) => pythonMember(t, interpreter, url, kind)));
  const quotes = [];
  const say = () => {
    const at = quotes.length;
    const venue = 'a market with a name that is always the same, and so is most of what is said';
    quotes.push(JSON.stringify({ symbol: 'FAN', at, bid: at * 7 % 13, venue, note: '价格只是一个例子' }));
    plain.send(quotes.at(-1));
  };
  // Members join the shared context once a second, with a message: then these become small.
  let bytes;
  do {
    const before = sharer._socket.bytesRead;
    say();
    await once(sharer, 'message');
    bytes = sharer._socket.bytesRead - before;
  } while (bytes > quotes[0].length / 2);
  for (let more = 0; more < 200; more += 1) say();
  const count = quotes.length;
  await page.waitForFunction((count) => globalThis.heard.every((all) => all.length === count), count);
  for (const all of await page.evaluate(() => globalThis.heard)) assert.deepEqual(all, quotes);
  for (const snake of snakes) for (const quote of quotes) assert.equal(await snake.next(), digest(quote));
  while (forgetfulHeard.length < count) await once(forgetful, 'message');
  assert.deepEqual(forgetfulHeard, quotes);
  const long = '万物皆有裂痕'.repeat(2000);
  await page.evaluate((long) => globalThis.sockets[0].send(long), long);
  await page.waitForFunction((long) => globalThis.heard[1].at(-1) === long, long);
  while (heard.length === 0) await once(plain, 'message');
  assert.deepEqual(heard, [long]);
  for (const snake of snakes) assert.equal(await snake.next(), digest(long));
  for (const socket of [plain, sharer, forgetful]) socket.close();
  await page.close();
});
