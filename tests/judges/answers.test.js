// The relay's answers as h11 and httplint (the rules of REDbot) judge them. JUDGES_PYTHON is a Python with
// requirements.txt.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { HOST } from '../../clients/js/test/own.js';
import { startRelay } from '../../clients/js/test/relay.js';

const script = new URL('lint.py', import.meta.url).pathname;
const EVENTS = ['Accept', 'text/event-stream'];
const HTML = ['Accept', 'text/html'];
const PAGE = ['Origin', 'https://example.org'];
const UPGRADE = [['Connection', 'upgrade'], ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']];

// The status, the method, the target, fields and a body.
const ANSWERS = [
  [101, 'GET', '/news', [...UPGRADE, ['Sec-WebSocket-Version', '13']]],
  [200, 'POST', '/news', [['Content-Type', 'text/plain']], 'hello'],
  [200, 'POST', '/news', [['Content-Type', 'text/plain'], PAGE], 'hello'],
  [200, 'GET', '/news', [EVENTS]],
  [200, 'GET', '/news', [HTML]],
  [200, 'GET', '/news', [HTML, ['Accept-Encoding', 'gzip']]],
  [200, 'HEAD', '/news', [HTML]],
  [200, 'GET', '/_/client.js', []],
  [200, 'GET', '/_/client.js', [['Accept-Encoding', 'gzip'], PAGE]],
  [200, 'GET', '/_/room/news', [PAGE]],
  [200, 'GET', '/_/health', []],
  [204, 'OPTIONS', '/_/room/news', [PAGE, ['Access-Control-Request-Method', 'GET']]],
  [204, 'OPTIONS', '*', []],
  [400, 'POST', '/news?except=x', [], 'hello'],
  [400, 'GET', '/news?last=x', [EVENTS]],
  [403, 'POST', '/news', [['Origin', 'https://evil.example']], 'hello'],
  [404, 'GET', '/_/nothing', []],
  [405, 'PUT', '/news', [], 'hello'],
  [413, 'POST', '/news', [], 'x'.repeat(2000)],
  [414, 'GET', `/${'x'.repeat(300)}`, []],
  [415, 'POST', '/news', [['Content-Type', 'multipart/form-data; boundary=x']], 'hello'],
  [417, 'POST', '/news', [['Expect', 'miracles']], 'hello'],
  [426, 'GET', '/news', []],
  [426, 'GET', '/news', [...UPGRADE, ['Sec-WebSocket-Version', '12']]],
  [431, 'GET', '/news', [['Cookie', 'x'.repeat(20_000)]]],
];

// What is known of all answers, and why it is bearable.
const KNOWN = {
  'The server didn\'t understand the request.': 'that is what a 400 says',
  'The server won\'t accept a URI this long.': 'that is what a 414 says',
  'This response doesn\'t have a Date header.':
    'RFC 9110, section 6.6.1, wants one of a server with a clock; a recipient takes the time at which it came',
};

test('each answer is well formed, and nothing else in it is against the rules', async (t) => {
  const relay = await startRelay(['--admin', 'none', '--history-messages', '10', '--max-message', '1000',
    '--allow-origin', PAGE[1]]);
  t.after(() => relay.stop('SIGKILL'));
  const asked = ANSWERS.map(([, method, target, fields, body]) => [method, target, fields, body ?? null]);
  const answers = JSON.parse(execFileSync(process.env.JUDGES_PYTHON, [script, HOST, String(relay.port)],
    { input: JSON.stringify(asked) }));
  const seen = new Set();
  for (const [at, [status, told]] of answers.entries()) {
    const notes = told.map((note) => note.replace(/ \(\d+ characters\)/, ''));
    notes.forEach((note) => seen.add(note));
    const [expected, ...request] = ANSWERS[at];
    const what = JSON.stringify(request).slice(0, 100);
    assert.equal(status, expected, what);
    assert.deepEqual(notes.filter((note) => !KNOWN[note]), [], what);
  }
  assert.deepEqual([...seen].sort(), Object.keys(KNOWN).sort(), 'what is known is still true');
});
