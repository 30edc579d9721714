// What is shipped.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createSSRApp, effectScope, h, ref } from 'vue';
import { renderToString } from 'vue/server-renderer';
import WebSocket from 'ws';
import { commonjs } from '../build.js';
import * as module from '../fanfare.js';
import { useFanfare } from '../vue.js';
import { next, startRelay } from './relay.js';

const here = (name) => new URL(`../${name}`, import.meta.url);

test('the CommonJS build is fresh, and exports the same', () => {
  assert.equal(readFileSync(here('fanfare.cjs'), 'utf8'), commonjs(), 'run: npm run build');
  const required = createRequire(import.meta.url)('../fanfare.cjs');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(module).sort());
});

test('it has at most 5 KB', () => {
  const bytes = gzipSync(readFileSync(here('fanfare.js')), { level: 9 }).length;
  assert.ok(bytes <= 5000, `${bytes} bytes`);
});

test('the types are right', () => {
  const tsc = here('node_modules/typescript/bin/tsc').pathname;
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom'];
  execFileSync(process.execPath, [tsc, ...flags, here('test/types.ts').pathname], { stdio: 'pipe' });
});

test('where there is no WebSocket, it says what to do', () => {
  if (globalThis.WebSocket) return assert.ok(true, 'this Node has one');
  return assert.throws(() => module.connect('ws://127.0.0.1:1/'), /options\.WebSocket/);
});

test('a Vue component follows its room, moves with its address, and leaves it', async () => {
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
  assert.equal(state.value, 'open', 'nobody looks any more');
  other.close();
  const page = createSSRApp({ render: () => h('p', 'it renders') });
  assert.equal(await renderToString(page), '<p>it renders</p>');
  await relay.stop();
});
