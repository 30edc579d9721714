// The listeners that read an event stream, in PHP and Go, and take it up again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKeyedRelay, token } from './backend.js';
import { examples, goProgram, missing, php } from './prepared.js';
import { start } from './program.js';

const LISTENERS = {
  php: () => (php() ? [php(), `${examples}php/events.php`] : 'there is no php-cli'),
  go: () => {
    const program = goProgram('listen');
    return program ? [program] : 'there is no go';
  },
};

/** Starts a listener; null, and the test is skipped, if it cannot run here. */
function listen(t, name, address) {
  const command = LISTENERS[name]();
  if (typeof command === 'string') {
    missing(t, command);
    return null;
  }
  return start(t, command[0], [...command.slice(1), address]);
}

/** Publishes a message in the room `news`. */
async function publish(relay, body, type = 'text/plain') {
  const claims = { sub: 'test', hear: ['news'], speak: ['news'] };
  const headers = { Authorization: `Bearer ${token(claims)}`, 'Content-Type': type };
  const answer = await fetch(`${relay.http}/news`, { method: 'POST', headers, body });
  assert.equal(answer.status, 200);
}

for (const name of Object.keys(LISTENERS)) {
  test(`${name} prints messages, and goes on behind the last one when its connection was lost`, async (t) => {
    const relay = await startKeyedRelay();
    t.after(() => relay.stop());
    const address = `${relay.http}/news?token=${token({ sub: 'ears', hear: ['news'] })}`;
    const listener = listen(t, name, address);
    if (!listener) return;
    await listener.until('err', (text) => text.includes('listening to'));
    await publish(relay, 'hello');
    await publish(relay, 'two: \nlines 你好');
    await publish(relay, Buffer.from([0, 255]), 'application/octet-stream');
    await publish(relay, '');
    await listener.until('out', (text) => text === 'hello\ntwo: \nlines 你好\n(binary AP8=)\n\n');
    const { ears: id } = await relay.numbers('news');
    assert.ok((await fetch(`${relay.admin}/connections/${id}`, { method: 'DELETE' })).ok);
    await listener.until('err', (text) => text.includes('the connection ended'));
    await publish(relay, 'meanwhile');
    await listener.until('out', (text) => text.endsWith('(binary AP8=)\n\nmeanwhile\n'));
    await publish(relay, 'x'.repeat(65_536));
    await listener.until('out', (text) => text.endsWith(`meanwhile\n${'x'.repeat(65_536)}\n`));
  });

  test(`${name} ends with 1 when it is refused`, async (t) => {
    const relay = await startKeyedRelay();
    t.after(() => relay.stop());
    const listener = listen(t, name, `${relay.http}/news`);
    if (!listener) return;
    assert.equal(await listener.ended, 1);
    assert.match(listener.said.err + listener.said.out, /401/);
  });
}
