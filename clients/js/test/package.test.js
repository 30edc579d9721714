// The package.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createSSRApp, effectScope, h, ref } from 'vue';
import { renderToString } from 'vue/server-renderer';
import WebSocket from 'ws';
import { served } from '../build.js';
import * as module from '../fanfare.js';
import { useFanfare } from '../vue.js';
import * as websocket from '../websocket.js';
import { next, startRelay } from './relay.js';

const here = (name) => new URL(`../${name}`, import.meta.url);

test('the CommonJS builds export the same', () => {
  const require = createRequire(import.meta.url);
  for (const [name, entry] of [['fanfare', module], ['websocket', websocket]]) {
    assert.deepEqual(Object.keys(require(`../${name}.cjs`)).sort(), Object.keys(entry).sort());
  }
});

test('it has at most 7 KB, and the relay serves it as it is built here', async (t) => {
  const bytes = gzipSync(served(), { level: 9 }).length;
  assert.ok(bytes <= 7 * 1024, `${bytes} bytes`);
  const relay = await startRelay();
  t.after(() => relay.stop());
  const answer = await fetch(`${relay.http}/_/client.js`);
  assert.equal(await answer.text(), served());
});

test('the types are right', () => {
  const tsc = here('node_modules/typescript/bin/tsc').pathname;
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext',
    '--lib', 'es2022,dom'];
  const files = ['test/types.ts', 'test/types.cts'].map((name) => here(name).pathname);
  execFileSync(process.execPath, [tsc, ...flags, ...files], { stdio: ['ignore', 'inherit', 'inherit'] });
});

test('without a WebSocket, the error says what to do', () => {
  const native = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket');
  delete globalThis.WebSocket; // newer Nodes have one
  try {
    assert.throws(() => module.connect('ws://127.0.0.1:1/'), /options\.WebSocket/);
  } finally {
    if (native) Object.defineProperty(globalThis, 'WebSocket', native);
  }
});

test('a Vue component joins its room, follows its address, and leaves', async () => {
  const relay = await startRelay();
  const other = module.connect(`${relay.url}/one`, { WebSocket });
  await other.ready;
  const url = ref(`${relay.url}/one`);
  const scope = effectScope();
  const { messages, state, gap, send, publish } = scope.run(() => (
    useFanfare(url, { WebSocket, history: 2, backoffBaseMs: 20 })));
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 5); });
  };
  await until(() => state.value === 'open');
  ['a', 'b', 'c'].forEach((data) => other.send(data));
  await until(() => messages.value.at(-1) === 'c');
  assert.deepEqual(messages.value, ['b', 'c'], 'no more than asked for');
  const published = next(other, 'message');
  assert.match(await publish('with an id'), /^4:/);
  assert.equal(await published, 'with an id');
  const heard = next(other, 'message');
  send('back');
  assert.equal(await heard, 'back');
  url.value = `${relay.url}/two`;
  assert.deepEqual([messages.value, state.value], [[], 'connecting']);
  await until(() => state.value === 'open');
  assert.equal(gap.value, null);
  await relay.stop('SIGKILL');
  const again = await startRelay([], relay.port);
  await until(() => gap.value);
  assert.equal(gap.value.missed, true);
  scope.stop();
  assert.deepEqual([state.value, send('nobody')], ['closed', false]);
  await assert.rejects(publish('nobody'), { code: 'closed' });
  other.close();
  await again.stop();
});

test('a Vue component begins with what was said before', async () => {
  const relay = await startRelay(['--history-messages', '100']);
  const other = module.connect(`${relay.url}/past`, { WebSocket });
  for (const data of ['a', 'b', 'c']) await other.publish(data);
  const scope = effectScope();
  const { messages } = scope.run(() => useFanfare(`${relay.url}/past`, { WebSocket, history: 2 }));
  while (messages.value.length < 2) await new Promise((resolve) => { setTimeout(resolve, 5); });
  assert.deepEqual(messages.value, ['b', 'c']);
  scope.stop();
  other.close();
  await relay.stop();
});

test('a Vue page joins no room without an address, and none on a server', async () => {
  const made = [];
  class Counting { constructor(url) { made.push([url, this]); } close() { this.closed = true; } }
  const url = ref('');
  const scope = effectScope();
  const { state, close } = scope.run(() => useFanfare(url, { WebSocket: Counting }));
  assert.deepEqual([state.value, made.length], ['closed', 0]);
  url.value = 'ws://relay/one';
  url.value = 'ws://relay/two';
  assert.deepEqual(made.map(([address, { closed }]) => [address, closed]),
    [['ws://relay/one?last=500', true], ['ws://relay/two?last=500', undefined]], 'one at a time');
  close();
  assert.deepEqual([state.value, made[1][1].closed], ['closed', true]);
  scope.stop();
  const setup = () => {
    const room = useFanfare('ws://127.0.0.1:1/', { history: 0 });
    return () => h('p', `${room.state.value}: ${room.messages.value.length}`);
  };
  assert.equal(await renderToString(createSSRApp({ setup })), '<p>closed: 0</p>');
});

test('the package has exactly the named files, built when it is packed, and names no registry', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-client-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const made = ['fanfare.cjs', 'fanfare.d.cts', 'websocket.cjs', 'websocket.d.cts'];
  const kept = ['README.md', 'build.js', 'fanfare.d.ts', 'fanfare.js', 'package.json', 'src',
    'vue.d.ts', 'vue.js', 'websocket.d.ts', 'websocket.js'];
  kept.forEach((name) => cpSync(here(name), join(folder, name), { recursive: true }));
  execFileSync('npm', ['pack', '--silent'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  execFileSync('tar', ['-xzf', archive], { cwd: folder });
  const packed = readdirSync(join(folder, 'package')).sort();
  assert.deepEqual(packed, [...kept.filter((name) => name !== 'build.js'), ...made].sort());
  for (const name of ['fanfare.cjs', 'websocket.cjs', 'fanfare.js', 'websocket.js']) {
    const names = Object.keys(await import(join(folder, 'package', name)));
    assert.ok(names.some((one) => /^(connect|RoomSocket)$/.test(one)), `${name}: ${names}`);
  }
  assert.doesNotMatch(readFileSync(here('package-lock.json'), 'utf8'), /resolved|https?:\/\/registry/);
});
