// wrk publishes as fast as it can: each answer of 200 is one message, and each message reaches the subscriber once.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { startRelay } from '../../clients/js/test/relay.js';
import { start } from '../examples/program.js';

const CONNECTIONS = 8;
const script = new URL('wrk.lua', import.meta.url).pathname;

/** Reads the room's event stream up to the message `last`: gives the sequences and the messages. */
async function listen(t, room) {
  const request = http.get(room, { headers: { Accept: 'text/event-stream' } });
  t.after(() => request.destroy());
  const [answer] = await once(request, 'response');
  const heard = { sequences: [], messages: [] };
  const readTo = async (last) => {
    let text = '';
    for await (const more of answer.setEncoding('utf8')) {
      text += more;
      const end = text.lastIndexOf('\n\n') + 2;
      for (const [, sequence, message] of text.slice(0, end).matchAll(/^id: (\d+):.*\ndata: (.*)$/gm)) {
        heard.sequences.push(Number(sequence));
        heard.messages.push(message);
      }
      text = text.slice(end);
      if (heard.messages.at(-1) === last) return heard;
    }
    return assert.fail('the stream ended');
  };
  return readTo;
}

test('wrk: each answer is one message, received once', { timeout: 60_000 }, async (t) => {
  const relay = await startRelay(['--history-messages', '10', '--admin', 'none']);
  t.after(() => relay.stop('SIGKILL'));
  const room = `${relay.http}/news`;
  const readTo = await listen(t, room);
  const received = readTo('last');
  const wrk = start(t, 'wrk', ['-t', '2', '-c', String(CONNECTIONS), '-d', '2s', '-s', script, room]);
  assert.equal(await wrk.ended, 0, wrk.said.err);
  const counted = JSON.parse(/^counted: (.*)$/m.exec(wrk.said.out)[1]);
  const { connect, read, write, timeout } = counted;
  assert.deepEqual({ connect, read, write, timeout }, { connect: 0, read: 0, write: 0, timeout: 0 });
  const statuses = {};
  for (const [status, count] of counted.threads.flatMap(Object.entries)) {
    statuses[status] = (statuses[status] ?? 0) + count;
  }
  const { 200: published, 429: refused = 0, ...others } = statuses;
  assert.deepEqual(others, {}, 'a message is published, or comes too fast');
  t.diagnostic(`${published} were published, ${refused} came too fast`);
  assert.ok(published > 100);

  const answer = await fetch(room, { method: 'POST', body: 'last' });
  const { id, members } = await answer.json();
  assert.equal(members, 1);
  // Those whose answers wrk did not wait for may be published too.
  const all = parseInt(id, 10) - 1;
  assert.ok(all >= published && all <= published + CONNECTIONS, `${all} of ${published}`);
  const { sequences, messages } = await received;
  assert.deepEqual(sequences, [...Array(all + 1)].map((_, at) => at + 1));
  assert.equal(new Set(messages).size, all + 1);
});
