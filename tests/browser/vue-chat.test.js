// The Vue example, built and used in a real browser.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { after, before, test } from 'node:test';
import { npmPackages } from '../examples/prepared.js';
import { openPage, shoot, startBrowser, startRelay } from './browser.js';

const EXAMPLE = new URL('../../examples/vue-chat/', import.meta.url).pathname;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** Serves the build, on a port of its own. */
async function serve(folder) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const name = path === '/' ? '/index.html' : path;
    try {
      const bytes = await readFile(`${folder}${name}`);
      response.writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'text/plain' }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

let browser;
let relay;
let site;
before(async () => {
  assert.ok(npmPackages('vue-chat'), 'its packages can be had');
  execFileSync('npm', ['run', 'build'], { cwd: EXAMPLE, stdio: 'ignore' });
  site = await serve(`${EXAMPLE}dist`);
  [browser, relay] = await Promise.all([startBrowser(), startRelay()]);
});
after(async () => {
  await Promise.all([browser?.stop(), relay?.stop()]);
  site?.server.close();
});

const place = (page, name) => page.locator(`[data-test=${name}]`);

async function enter(nick) {
  const opened = await openPage(browser.context, `${site.url}/?relay=${relay.url}`);
  const { page } = opened;
  await place(page, 'nick').fill(nick);
  await place(page, 'room').fill('teahouse');
  await place(page, 'join').click();
  await page.waitForSelector('[data-test=state][data-state=open]');
  return opened;
}

async function say(page, text) {
  await place(page, 'text').fill(text);
  await place(page, 'send').click();
}

test('the Vue example builds, and two tabs of it chat', async () => {
  const [one, two] = [await enter('Ann'), await enter('小明')];
  await say(two.page, '你好 <b>everyone</b> 🎺');
  await place(two.page, 'message').filter({ hasText: '你好 <b>everyone</b> 🎺' }).waitFor();
  await place(one.page, 'message').filter({ hasText: '你好 <b>everyone</b> 🎺' }).waitFor();
  await say(one.page, 'and hello');
  await place(two.page, 'message').filter({ hasText: 'and hello' }).waitFor();
  assert.equal(await place(one.page, 'message').count(), 2);
  assert.equal(await one.page.locator('[data-test=message] b').count(), 0);
  await shoot(one.page, 'vue-chat');
  assert.deepEqual([...one.complaints, ...two.complaints], []);
});
