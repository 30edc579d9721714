// Event streams as Python's clients read them. JUDGES_PYTHON is a Python with requirements.txt.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRelay } from '../../clients/js/test/relay.js';
import { start, until } from '../examples/program.js';

const PATIENCE = { timeout: 60_000 };
const script = new URL('readers.py', import.meta.url).pathname;

for (const reader of ['httpx-sse', 'sseclient-py']) {
  test(`${reader}: each event as it comes, those behind an id, and that a cut stream is incomplete`, PATIENCE,
    async (t) => {
      const relay = await startRelay(['--history-messages', '100', '--drain', '0.1', '--admin', 'none']);
      t.after(() => relay.stop('SIGKILL'));
      const room = `${relay.http}/news`;
      const read = (...last) => start(t, process.env.JUDGES_PYTHON, [script, reader, room, ...last]);
      const lines = (program) => program.said.out.trim().split('\n').map((line) => JSON.parse(line));
      // Both tell `retry:` as an event without data, or not at all.
      const events = (program) => lines(program).filter(([, data]) => data)
        .map(([type, data, id]) => [type, data, id]);

      const ids = [];
      const said = ['one', '你好\n🎺', 'AP8='];
      const expected = said.map((data, at) => [at === 2 ? 'binary' : 'message', data]);
      const publish = async (body, type) => {
        const answer = await fetch(room, { method: 'POST', body, headers: { 'Content-Type': type } });
        const { id, members } = await answer.json();
        expected[ids.length].push(id);
        ids.push(id);
        return members;
      };
      const first = read();
      const about = async () => (await fetch(`${relay.http}/_/room/news`)).json();
      await until(async () => (await about()).members === 1, 'the reader');
      for (const [at, text] of said.entries()) {
        const isText = at < 2;
        const members = await publish(isText ? text : Uint8Array.of(0, 255),
          isText ? 'text/plain' : 'application/octet-stream');
        assert.equal(members, 1);
        await first.until('out', (out) => out.includes(ids[at]) && out.endsWith('\n'));
      }
      assert.deepEqual(events(first), expected);
      const back = read(ids[0]);
      await back.until('out', (out) => out.includes(ids[2]) && out.endsWith('\n'));
      assert.deepEqual(events(back), expected.slice(1));
      const gap = read('7:0123456789abcdef');
      await gap.until('out', (out) => out.includes(ids[2]) && out.endsWith('\n'));
      assert.deepEqual(events(gap), [['gap', '{}', ids[0].replace('1:', '0:')], ...expected]);

      assert.equal(await relay.stop('SIGTERM'), 0);
      for (const program of [first, back, gap]) {
        assert.equal(await program.ended, 0, program.said.err);
        assert.equal(lines(program).at(-1)[0], 'incomplete');
      }
    });
}
