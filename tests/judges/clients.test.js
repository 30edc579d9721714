// Event streams as other people's clients for browsers read them, in Chromium: each stays, and resumes
// behind the last event that it got.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startBrowser, startRelay } from '../browser/browser.js';
import { startCuttable } from '../../clients/js/test/cuttable.js';

const PATIENCE = { timeout: 120_000 }; // one of them waits twice as long after each failure
const HISTORY = ['--history-messages', '100', '--drain', '0.1', '--admin', 'none'];
const modules = new URL('node_modules/', import.meta.url);

// How a page loads each of them and listens; `tell` takes each event.
const CLIENTS = {
  'reconnecting-eventsource': `
    import ReconnectingEventSource from '/modules/reconnecting-eventsource/build/esm/reconnecting-eventsource.js';
    const source = new ReconnectingEventSource(url);
    for (const type of ['open', 'message', 'binary', 'gap']) source.addEventListener(type, tell);`,
  'event-source-polyfill': `
    import '/modules/event-source-polyfill/src/eventsource.js';
    const source = new EventSourcePolyfill(url);
    for (const type of ['open', 'message', 'binary', 'gap']) source.addEventListener(type, tell);`,
  '@microsoft/fetch-event-source': `
    import { fetchEventSource } from '/modules/@microsoft/fetch-event-source/lib/esm/index.js';
    fetchEventSource(url, {
      openWhenHidden: true,
      onopen() { tell({ type: 'open' }); },
      onmessage({ event, data, id }) {
        if (!id && !data) return; // it takes \`retry:\` for an event
        tell({ type: event || 'message', data, lastEventId: id });
      },
      onclose() { tell({ type: 'close' }); },
    });`,
};

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.stop());

/** Opens a page with this client in the room; `until` waits for an event and gives all since the last one. */
async function listen(t, site, name) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  page.on('pageerror', (error) => assert.fail(error));
  await page.route(`${site}/page`, (route) => route.fulfill({
    contentType: 'text/html', body: `<script type="module">
      const url = '/news';
      globalThis.seen = [];
      const tell = ({ type, data, lastEventId: id }) => seen.push({ type, data, id });
      ${CLIENTS[name]}</script>`,
  }));
  await page.route(`${site}/modules/**`, (route) => {
    const path = new URL(route.request().url()).pathname.slice('/modules/'.length);
    const file = path.endsWith('.js') ? path : `${path}.js`; // one imports './fetch'
    route.fulfill({ contentType: 'text/javascript', body: readFileSync(new URL(file, modules), 'utf8') });
  });
  await page.goto(`${site}/page`);
  let taken = 0;
  return async (wanted) => {
    const handle = await page.waitForFunction(([wanted, taken]) => {
      const at = globalThis.seen.findIndex(({ type, data }, at) => at >= taken
        && (type === wanted || data === wanted));
      return at >= 0 && { events: globalThis.seen.slice(taken, at + 1), to: at + 1 };
    }, [wanted, taken], PATIENCE);
    const { events, to } = await handle.jsonValue();
    taken = to;
    return events;
  };
}

async function publish({ http }, body, type = 'text/plain') {
  const answer = await fetch(`${http}/news`, { method: 'POST', body, headers: { 'Content-Type': type } });
  assert.equal(answer.status, 200);
  return (await answer.json()).id;
}

for (const name of Object.keys(CLIENTS)) {
  test(`${name}: after a cut nothing is missing or twice, after a restart a gap is told`, PATIENCE,
    async (t) => {
      const first = await startRelay(HISTORY);
      t.after(() => first.stop('SIGKILL'));
      const network = await startCuttable(t, first);
      const until = await listen(t, network.http, name);
      await until('open');
      const ids = [];
      const said = ['one', '你好\n🎺', 'AP8='];
      for (const text of said.slice(0, 2)) ids.push(await publish(first, text));
      ids.push(await publish(first, Uint8Array.of(0, 255), 'application/octet-stream'));
      assert.deepEqual(await until('binary'), said.map((data, at) => (
        { type: at === 2 ? 'binary' : 'message', data, id: ids[at] })));

      network.cut();
      const missed = ['missed', 'missed too'];
      const behind = [];
      for (const text of missed) behind.push(await publish(first, text));
      const played = await until(missed[1]);
      assert.deepEqual(played.filter(({ type }) => type === 'message'),
        missed.map((data, at) => ({ type: 'message', data, id: behind[at] })));
      assert.ok(played.every(({ type }) => ['open', 'message'].includes(type)), JSON.stringify(played));

      assert.equal(await first.stop('SIGTERM'), 0);
      const second = await startRelay(HISTORY, first.port);
      t.after(() => second.stop('SIGKILL'));
      const told = await until('gap');
      assert.ok(told.every(({ type }) => ['open', 'gap'].includes(type)), JSON.stringify(told));
      const id = await publish(second, 'after');
      assert.deepEqual(await until('after'), [{ type: 'message', data: 'after', id }]);
    });
}
