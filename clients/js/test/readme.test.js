// The examples of README.md are run, and print what their comments say.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { startRelay } from './relay.js';

const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/^```js\n(.*?)^```/gms)].map((found) => found[1]);
/** What a page has, where Node has none. */
const PAGE = `import ws from 'ws';
globalThis.WebSocket ??= ws;
const items = new Map();
globalThis.localStorage = { getItem: (key) => items.get(key) ?? null,
  setItem: (key, value) => items.set(key, value) };
`;
/** What another member says in the room of an example. */
const SAYS = { news: ['{"hello":"everyone else"}', 'hello'], orders: ['order 7'] };

let relay;
let backend;
before(async () => {
  relay = await startRelay(['--heartbeat', 'ping=pong', '--history-messages', '10', '--drain', '0.1']);
  backend = createServer((_, answer) => answer.end('abc')).listen(0, '127.0.0.1');
  await once(backend, 'listening');
});
after(async () => { await relay.stop(); backend.close(); });

/** Starts an example; `printed` has its lines as they come. */
function start(t, code, url) {
  const program = PAGE + code.replaceAll('wss://relay.example', url)
    .replaceAll('https://backend.example', `http://127.0.0.1:${backend.address().port}`);
  const child = spawn(process.execPath, ['--input-type=module', '-e', program],
    { cwd: new URL('.', import.meta.url), stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const printed = [];
  child.stdout.setEncoding('utf8').on('data', (lines) => printed.push(...lines.trim().split('\n')));
  return { child, printed };
}

const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 10); });
};

examples.forEach((code, number) => {
  const title = code.trim().split('\n').find((line) => /'wss:/.test(line));
  test(`example ${number + 1}: ${title}`, { timeout: 30_000 }, async (t) => {
    const expected = [...code.matchAll(/ \/\/ prints (.*)$/gm)].map((found) => found[1]);
    const path = /wss:\/\/relay\.example(\/\w+)/.exec(code)[1];
    if (/fanfare-client\/vue/.test(code)) return; // `package.test.js` runs it in a component's scope
    const isAboutCloses = /shouldRetry/.test(code);
    const own = isAboutCloses ? await startRelay(['--drain', '0.1']) : relay;
    const { printed } = start(t, code, own.url);
    const members = async () => (await (await fetch(
      `${own.http}/_/room${path}`)).json()).members;
    while (await members() < 1) await new Promise((resolve) => { setTimeout(resolve, 10); });
    if (isAboutCloses) await own.stop();
    const other = isAboutCloses ? null : new WebSocket(`${own.url}${path}`);
    if (other) {
      await once(other, 'open');
      const isJson = /json: true/.test(code);
      const said = SAYS[path.slice(1)]?.filter((each) => each.startsWith('{') === isJson) ?? [];
      said.forEach((each) => other.send(each));
    }
    await until(() => printed.length >= expected.length);
    other?.terminate();
    assert.deepEqual(printed.sort(), expected.sort());
  });
});

test('there are examples, and their comments are looked at', () => {
  assert.ok(examples.length >= 6);
  assert.ok(text.match(/ \/\/ prints /g).length >= 6);
});
