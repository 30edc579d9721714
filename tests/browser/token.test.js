// Tokens in a real browser: the live page with and without one, and the subprotocol that carries it.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startRelay } from './browser.js';

const SECRET = 'a secret of the browser, long enough to be one';
const base64 = (text) => Buffer.from(text).toString('base64url');

/** A token with these claims. */
function token(claims) {
  const message = `${base64('{"alg":"HS256"}')}.${base64(JSON.stringify(claims))}`;
  return `${message}.${createHmac('sha256', SECRET).update(message).digest('base64url')}`;
}

let browser;
let relay;
before(async () => {
  const flags = ['--token-key', `base64:${base64(SECRET)}`, '--token-leeway', '0'];
  [browser, relay] = await Promise.all([startBrowser(), startRelay([...flags, '--allow-origin', 'same'])]);
});
after(() => Promise.all([browser.stop(), relay.stop()]));

const open = (path, allowed) => openPage(browser.context, `${relay.http}${path}`, allowed);
const isOpen = (page) => page.waitForSelector('#state[data-state=open]');
const isClosed = (page) => page.waitForSelector('#state[data-state=closed]');
const REFUSED = [/status of 40[013]/];

test('the page passes its token on, and hides the field where the visitor may not publish', async () => {
  const speaker = await open(`/news?token=${token({})}`);
  const reader = await open(`/news?token=${token({ speak: [] })}`);
  await Promise.all([isOpen(speaker.page), isOpen(reader.page)]);
  assert.equal(await reader.page.isVisible('#say'), false);
  await speaker.page.fill('#text', 'hello');
  await speaker.page.press('#text', 'Enter');
  await reader.page.locator('#messages li').filter({ hasText: 'hello' }).waitFor();
  assert.deepEqual([...speaker.complaints, ...reader.complaints], []);
  await speaker.page.close();
  await reader.page.close();
});

test('without a token that is believed the page says so, and does not try again', async () => {
  for (const [query, part] of [
    ['', 'needs a valid token'],
    ['?token=x.y.z', 'needs a valid token'],
    [`?token=${token({ exp: 1 })}`, 'needs a valid token'],
    [`?token=${token({ hear: ['other'] })}`, 'does not let you'],
  ]) {
    const { page, complaints } = await open(`/news${query}`, REFUSED);
    await isClosed(page);
    assert.match(await page.textContent('#banner'), new RegExp(part));
    assert.equal(await page.isVisible('#say'), false);
    assert.deepEqual(complaints, []);
    await page.close();
  }
});

test('when the token ends, the page says so and stays away', async () => {
  const exp = Math.floor(Date.now() / 1000) + 3;
  const { page, complaints } = await open(`/news?token=${token({ exp })}`, REFUSED);
  await isOpen(page);
  await isClosed(page);
  assert.match(await page.textContent('#banner'), /4401 token expired/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('the subprotocol carries a token, with fanfare beside it or alone', async () => {
  const { page } = await open(`/news?token=${token({})}`);
  await isOpen(page);
  const dial = (protocols) => page.evaluate(([url, offered]) => new Promise((resolve) => {
    const socket = new WebSocket(url, offered);
    socket.onopen = () => { resolve(socket.protocol); socket.close(); };
    socket.onclose = ({ code }) => resolve(code);
  }), [`${relay.url}/news`, protocols]);
  const carried = `fanfare.token.${token({ sub: 'ann' })}`;
  assert.equal(await dial(['fanfare', carried]), 'fanfare');
  assert.equal(await dial([carried, 'fanfare']), 'fanfare');
  assert.equal(await dial([carried]), carried);
  assert.equal(await dial(['fanfare']), 1006, 'no token');
  assert.equal(await dial([`${carried}x`]), 1006, 'a signature that is wrong');
  await page.close();
});
