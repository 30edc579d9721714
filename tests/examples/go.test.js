// The listener in Go: an event stream, which it takes up again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECRET, startKeyedRelay, token } from './backend.js';
import { goProgram, missing } from './prepared.js';
import { start } from './program.js';

/** Publishes a message in the room `news`. */
async function publish(relay, body, type = 'text/plain') {
  const claims = { sub: 'test', hear: ['news'], speak: ['news'] };
  const headers = { Authorization: `Bearer ${token(claims, SECRET)}`, 'Content-Type': type };
  const answer = await fetch(`${relay.http}/news`, { method: 'POST', headers, body });
  assert.equal(answer.status, 200);
}

test('go prints messages, and goes on behind the last one when its connection was lost', async (t) => {
  const program = goProgram('listen');
  if (!program) return missing(t, 'there is no go');
  const relay = await startKeyedRelay();
  t.after(() => relay.stop());
  const address = `${relay.http}/news?token=${token({ sub: 'go', hear: ['news'] })}`;
  const listener = start(t, program, [address]);
  await listener.until('err', (text) => text.includes('listening to'));
  await publish(relay, 'hello');
  await publish(relay, 'two\nlines 你好');
  await publish(relay, Buffer.from([0, 255]), 'application/octet-stream');
  await listener.until('out', (text) => text === 'hello\ntwo\nlines 你好\n(binary AP8=)\n');
  const { go: id } = await relay.numbers('news');
  assert.ok((await fetch(`${relay.admin}/connections/${id}`, { method: 'DELETE' })).ok);
  await listener.until('err', (text) => text.includes('the connection ended'));
  await publish(relay, 'meanwhile');
  await listener.until('out', (text) => text.endsWith('(binary AP8=)\nmeanwhile\n'));
  await publish(relay, 'x'.repeat(65_536));
  await listener.until('out', (text) => text.endsWith(`meanwhile\n${'x'.repeat(65_536)}\n`));
});

test('go ends with 1 when it is refused', async (t) => {
  const program = goProgram('listen');
  if (!program) return missing(t, 'there is no go');
  const relay = await startKeyedRelay();
  t.after(() => relay.stop());
  const listener = start(t, program, [`${relay.http}/news`]);
  assert.equal(await listener.ended, 1);
  assert.match(listener.said.err, /refused: 401/);
});
