// The live page in a real browser.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { HOST } from '../../clients/js/test/own.js';
import { openPage, shoot, startBrowser, startRelay } from './browser.js';

let browser;
let relay;
before(async () => {
  [browser, relay] = await Promise.all([startBrowser(), startRelay(['--heartbeat', 'ping=pong'])]);
});
after(() => Promise.all([browser.stop(), relay.stop()]));

const rows = (page) => page.locator('#messages li');
const isOpen = (page) => page.waitForSelector('#state[data-state=open]');

async function enter(path, options) {
  const opened = await openPage(browser.context, `${relay.http}${path}`, options);
  await isOpen(opened.page);
  return opened;
}

async function client(path) {
  const socket = new WebSocket(`${relay.url}${path}`);
  await new Promise((resolve) => { socket.once('open', resolve); });
  return socket;
}

test('two tabs chat', async () => {
  const [one, two] = [await enter('/news'), await enter('/news')];
  // A page counts itself from the first number on that it shows.
  await two.page.waitForSelector('#members:not([hidden])');
  assert.equal(await two.page.textContent('#members'), '2 members');
  await one.page.fill('#text', 'hello');
  await one.page.press('#text', 'Enter');
  await rows(two.page).filter({ hasText: 'hello' }).waitFor();
  await two.page.fill('#text', 'and hello');
  await two.page.click('#say button');
  await rows(one.page).filter({ hasText: 'and hello' }).waitFor();
  assert.equal(await one.page.locator('#messages li.own').count(), 1);
  assert.equal(await one.page.inputValue('#text'), '');
  await one.page.waitForFunction(() => document.getElementById('members').textContent === '2 members');
  await one.page.waitForFunction(() => document.getElementById('round-trip').textContent.endsWith('ms'));
  assert.deepEqual([...one.complaints, ...two.complaints], []);
  await one.page.close();
  await two.page.close();
});

test('messages are shown as text only', async () => {
  const { page, complaints } = await enter('/hostile');
  const sender = await client('/hostile');
  const texts = [
    '<img src=x onerror="document.title=1"><script>document.title=2</script>',
    '万物皆有裂痕，那是光照进来的地方', '🎺🎉👩‍🚀', 'שלום עולם', 'مرحبا', '\u202Eesrever',
    'https://example.org/ javascript:alert(1)', 'a\n  b\tc', '[not json', '{"a": <b>}',
  ];
  for (const text of texts) {
    sender.send(text);
    await rows(page).nth(texts.indexOf(text)).waitFor();
  }
  const seen = await rows(page).locator('.body').allTextContents();
  assert.deepEqual(seen, texts);
  assert.equal(await page.locator('#messages img, #messages script, #messages a').count(), 0);
  assert.match(await page.title(), /hostile/);
  const backwards = rows(page).nth(3).locator('.body');
  assert.equal(await backwards.evaluate((body) => getComputedStyle(body).direction), 'rtl');
  assert.deepEqual(complaints, []);
  sender.close();
  await page.close();
});

test('JSON is folded, binary is hex, and long messages are cut until asked for', async () => {
  const { page, complaints } = await enter('/kinds');
  const sender = await client('/kinds');
  sender.send('{"a":{"b":[1,2,3]}}');
  await rows(page).nth(0).waitFor();
  await rows(page).nth(0).locator('summary').click();
  assert.match(await rows(page).nth(0).locator('pre').textContent(), /"b": \[\n/);
  sender.send(Buffer.from([...Array(100).keys()]));
  const binary = rows(page).nth(1);
  await binary.waitFor();
  assert.match(await binary.textContent(), /binary, 100 bytes00 01 02 03/);
  await binary.locator('button').click();
  assert.match(await binary.locator('pre').textContent(), / 62 63$/);
  sender.send('x'.repeat(50_000));
  const long = rows(page).nth(2);
  await long.waitFor();
  assert.ok((await long.textContent()).length < 2200);
  await long.locator('button').click();
  assert.equal((await long.locator('.body').textContent()).length, 50_000);
  assert.deepEqual(complaints, []);
  sender.close();
  await page.close();
});

test('JSON of --json is shown as text, and without a heartbeat there is no round trip', async () => {
  const own = await startRelay(['--json']);
  const { page, complaints } = await openPage(browser.context, `${own.http}/php`);
  await isOpen(page);
  const sender = new WebSocket(`${own.url}/php`);
  await once(sender, 'open');
  sender.send('大家好 "quoted"');
  await rows(page).nth(0).waitFor();
  sender.send('{"a":[1]}');
  await rows(page).nth(1).waitFor();
  assert.equal(await rows(page).nth(0).locator('.body').textContent(), '大家好 "quoted"');
  assert.equal(await rows(page).nth(1).locator('summary').textContent(), '{"a":[1]}');
  assert.equal(await page.locator('#trip').isVisible(), false);
  assert.deepEqual(complaints, []);
  sender.close();
  await page.close();
  await own.stop();
});

test('a page whose origin is refused says so, and what to do', async () => {
  const own = await startRelay(['--allow-origin', 'https://example.org']);
  const { page } = await openPage(browser.context, `${own.http}/news`);
  await page.waitForSelector('#state[data-state=closed]');
  const told = await page.textContent('#banner');
  assert.ok(told.includes(own.http) && told.includes('--allow-origin same'), told);
  assert.equal(await page.locator('#say').isVisible(), false);
  await page.close();
  await own.stop();
  const open = await startRelay(['--allow-origin', 'https://example.org,same']);
  const other = await openPage(browser.context, `${open.http}/news`);
  await isOpen(other.page);
  await other.page.close();
  await open.stop();
});

// A server in front of the relay, below `/relay`; elsewhere it answers `page`.
async function startSite(page) {
  const server = createServer((asked, answer) => {
    if (!asked.url.startsWith('/relay/')) return answer.setHeader('Content-Type', 'text/html').end(page);
    const path = asked.url.slice('/relay'.length);
    return request({ host: HOST, port: relay.port, path, headers: asked.headers }, (told) => {
      answer.writeHead(told.statusCode, told.headers);
      told.pipe(answer);
    }).end();
  });
  server.on('upgrade', (asked, socket) => {
    const path = asked.url.slice('/relay'.length);
    const passed = { host: HOST, port: relay.port, path, headers: asked.headers };
    request(passed).on('upgrade', (told, upstream) => {
      const fields = told.rawHeaders.reduce((all, one, at) => all + one + (at % 2 ? '\r\n' : ': '), '');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
      upstream.pipe(socket).pipe(upstream);
      for (const end of [socket, upstream]) end.on('error', () => {});
    }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { http: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

test('the page works below a path of a site, whatever the room is called', async () => {
  const site = await startSite('');
  for (const path of ['/', '/a/b/c', '/a//b/', '/%22%3E%3Cscript%3Edocument.title=1%3C%2Fscript%3E', '/%E5%A4%A7/%ff']) {
    const other = await client(path);
    const { page, complaints } = await openPage(browser.context, `${site.http}/relay${path}`);
    await isOpen(page);
    other.send('from outside');
    await rows(page).filter({ hasText: 'from outside' }).waitFor();
    const name = path.endsWith('%ff') ? '/%E5%A4%A7/%FF' : decodeURIComponent(path);
    assert.equal(await page.locator('h1').textContent(), name);
    assert.equal(await page.title(), `${name} · fanfare`);
    await page.waitForFunction(() => document.getElementById('members').textContent === '2 members');
    assert.deepEqual(complaints, [], path);
    other.close();
    await page.close();
  }
  site.stop();
});

test('a page of another origin imports the client and asks about a room', async () => {
  const site = await startSite(`<script type="module">
    import { connect } from '${relay.http}/_/client.js';
    const about = await fetch('${relay.http}/_/room/elsewhere').then((answer) => answer.json());
    const room = connect('${relay.url}/elsewhere');
    await room.ready;
    document.title = 'joined ' + about.members;
  </script>`);
  const { page, complaints } = await openPage(browser.context, site.http, [/^asked /]);
  await page.waitForFunction(() => document.title === 'joined 0');
  assert.deepEqual(complaints, []);
  await page.close();
  site.stop();
});

test('the relay is killed and started again, and both tabs reconnect by themselves', async () => {
  const own = await startRelay();
  const allowed = [/ERR_CONNECTION_REFUSED/, /WebSocket connection to/, /ERR_EMPTY_RESPONSE/,
    /ERR_CONNECTION_RESET/, /Failed to load resource/];
  const tabs = [];
  for (let n = 0; n < 2; n += 1) {
    tabs.push(await openPage(browser.context, `${own.http}/again`, allowed));
    await isOpen(tabs[n].page);
  }
  const [one, two] = tabs.map(({ page }) => page);
  await one.fill('#text', 'before');
  await one.press('#text', 'Enter');
  await rows(two).filter({ hasText: 'before' }).waitFor();
  await own.stop('SIGKILL');
  await two.waitForSelector('#state[data-state=reconnecting]');
  await two.waitForSelector('#banner:not([hidden])');
  await shoot(two, 'lost');
  await one.waitForSelector('#state[data-state=reconnecting]');
  await one.fill('#text', 'meanwhile');
  await one.press('#text', 'Enter');
  const again = await startRelay([], own.port);
  await Promise.all([isOpen(one), isOpen(two)]);
  await two.fill('#text', 'after');
  await two.press('#text', 'Enter');
  await rows(one).filter({ hasText: 'after' }).waitFor();
  await two.waitForSelector('#banner.quiet:not([hidden])');
  // "meanwhile" left with the first connection, before or after the other tab was back.
  const seen = await rows(two).locator('.body').allTextContents();
  assert.deepEqual(seen.filter((text) => text !== 'meanwhile'), ['before', 'after']);
  assert.ok(seen.filter((text) => text === 'meanwhile').length <= 1, 'never twice');
  assert.deepEqual(await rows(one).locator('.body').allTextContents(), ['before', 'meanwhile', 'after']);
  assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
  await one.close();
  await two.close();
  await again.stop();
});

test('a thousand messages a second for ten seconds leave the page alive and small', async (t) => {
  const { page, complaints } = await enter('/flood');
  const sender = await client('/flood');
  await page.evaluate(() => {
    window.frames_seen = 0;
    window.longest = 0;
    let last = performance.now();
    const frame = () => {
      const at = performance.now();
      window.longest = Math.max(window.longest, at - last);
      last = at;
      window.frames_seen += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const heap = () => page.evaluate(() => { window.gc?.(); return performance.memory.usedJSHeapSize; });
  const before = await heap();
  let sent = 0;
  const start = Date.now();
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(10_000, Date.now() - start);
      for (; sent < due; sent += 1) sender.send(`{"price":${sent},"name":"number ${sent}"}`);
      if (sent === 10_000) { clearInterval(timer); resolve(); }
    }, 10);
  });
  await rows(page).filter({ hasText: 'number 9999' }).waitFor();
  await page.waitForSelector('#sampled:not([hidden])');
  assert.match(await page.locator('#sampled').textContent(), /^Showing \d+ of \d+ messages/);
  const [frames, longest] = await page.evaluate(() => [window.frames_seen, window.longest]);
  const grown = (await heap()) - before;
  t.diagnostic(`${frames} frames, the longest ${Math.round(longest)} ms; ${grown} bytes more`);
  assert.ok(frames > 100, `only ${frames} frames in ten seconds`);
  assert.ok(await rows(page).count() <= 300, 'rows are bounded');
  assert.ok(grown < 20e6, `${grown} bytes more`);
  await page.fill('#text', 'still here');
  await page.press('#text', 'Enter');
  await rows(page).filter({ hasText: 'still here' }).waitFor();
  await shoot(page, 'flood');
  assert.deepEqual(complaints, []);
  sender.close();
  await page.close();
});

test('it speaks Chinese, fits a phone, and looks as it should by day and by night', async () => {
  const name = '/赛况/今晚直播'; // long enough to leave little beside it
  const sender = await client(encodeURI(name));
  for (const [shot, scheme, width, language] of [
    ['light', 'light', 1000, 'en'], ['dark', 'dark', 1000, 'en'],
    ['phone', 'light', 390, 'zh'], ['phone-dark', 'dark', 390, 'zh'],
  ]) {
    const { page, complaints } = await openPage(browser.context, `${relay.http}${encodeURI(name)}`);
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 700 });
    await isOpen(page);
    await page.selectOption('#language', language);
    const said = ['欢迎来到直播间！', 'Kick-off in five minutes', '{"score":[2,1],"minute":67}', '⚽ 进球了！！'];
    for (const text of said) {
      sender.send(text);
      await rows(page).filter({ hasText: text }).waitFor();
    }
    sender.send(Buffer.from('fanfare'));
    await page.fill('#text', language === 'zh' ? '好球！' : 'What a goal!');
    await page.press('#text', 'Enter');
    await rows(page).nth(5).waitFor();
    assert.equal(await page.locator('#state').textContent(), language === 'zh' ? '已连接' : 'connected');
    assert.equal(await page.evaluate(() => document.documentElement.lang), language === 'zh' ? 'zh-CN' : 'en');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `it is ${wide} wide`);
    await page.waitForSelector('#members:not([hidden])');
    const [choice, state, members] = await Promise.all(
      ['#language', '#state', '#members'].map((id) => page.locator(id).boundingBox()));
    assert.ok(state.height < 30 && members.height < 30, 'each fact stands in one line');
    assert.ok(choice.y < 30 && choice.x > width / 2, 'the language is at the right of the name');
    assert.equal(await page.locator('h1').textContent(), name);
    // For a screen reader, every control has a name.
    const nameless = await page.$$eval('button:not([hidden]), textarea, select', (all) => all
      .filter((one) => !one.textContent.trim() && !one.labels?.length).length);
    assert.equal(nameless, 0);
    await shoot(page, shot);
    assert.deepEqual(complaints, []);
    await page.close();
  }
  sender.close();
});
