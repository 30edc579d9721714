// The package.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createSSRApp, effectScope, h, ref } from 'vue';
import { renderToString } from 'vue/server-renderer';
import WebSocket from 'ws';
import * as module from '../fanfare.js';
import { useFanfare } from '../vue.js';
import { next, startRelay } from './relay.js';

const here = (name) => new URL(`../${name}`, import.meta.url);

test('the CommonJS build exports the same', () => {
  const required = createRequire(import.meta.url)('../fanfare.cjs');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(module).sort());
});

test('it has at most 5.25 KB', () => {
  const bytes = gzipSync(readFileSync(here('fanfare.js')), { level: 9 }).length;
  assert.ok(bytes <= 5.25 * 1024, `${bytes} bytes`);
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
  const { messages, state, send } = scope.run(() => useFanfare(url, { WebSocket, history: 2 }));
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 5); });
  };
  await until(() => state.value === 'open');
  ['a', 'b', 'c'].forEach((data) => other.send(data));
  await until(() => messages.value.at(-1) === 'c');
  assert.deepEqual(messages.value, ['b', 'c'], 'no more than asked for');
  const heard = next(other, 'message');
  send('back');
  assert.equal(await heard, 'back');
  url.value = `${relay.url}/two`;
  assert.deepEqual([messages.value, state.value], [[], 'connecting']);
  await until(() => state.value === 'open');
  scope.stop();
  assert.deepEqual([state.value, send('nobody')], ['closed', false]);
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
    [['ws://relay/one', true], ['ws://relay/two', undefined]], 'one at a time');
  close();
  assert.deepEqual([state.value, made[1][1].closed], ['closed', true]);
  scope.stop();
  const setup = () => {
    const room = useFanfare('ws://127.0.0.1:1/', { history: 0 });
    return () => h('p', `${room.state.value}: ${room.messages.value.length}`);
  };
  assert.equal(await renderToString(createSSRApp({ setup })), '<p>closed: 0</p>');
});

test('the package has exactly the named files, built when it is packed, and names no registry', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-client-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const made = ['fanfare.cjs', 'fanfare.d.cts'];
  const kept = ['README.md', 'build.js', 'fanfare.d.ts', 'fanfare.js', 'package.json', 'vue.d.ts',
    'vue.js'];
  kept.forEach((name) => copyFileSync(here(name), join(folder, name)));
  execFileSync('npm', ['pack', '--silent'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  execFileSync('tar', ['-xzf', archive], { cwd: folder });
  const packed = readdirSync(join(folder, 'package')).sort();
  assert.deepEqual(packed, [...kept.filter((name) => name !== 'build.js'), ...made].sort());
  const { connect } = createRequire(import.meta.url)(join(folder, 'package', 'fanfare.cjs'));
  assert.equal(typeof connect, 'function');
  assert.doesNotMatch(readFileSync(here('package-lock.json'), 'utf8'), /resolved|https?:\/\/registry/);
});
