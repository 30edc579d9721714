// The PHP backend of a WeChat mini-program: what WeChat does not pass, no member hears.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { SECRET, member, startBackend, startKeyedRelay, token } from './backend.js';
import { launch } from './mini.js';
import { examples, missing, php } from './prepared.js';
import { until } from './program.js';

/** A pretend WeChat: it knows one code and one key at a time, and judges texts by their words. */
async function startWechat(t) {
  const wechat = { asked: [], key: 'key-1', isDown: false };
  const judge = ({ content }) => {
    const suggest = ['risky', 'review'].find((word) => content.includes(word)) ?? 'pass';
    return { errcode: 0, errmsg: 'ok', result: { suggest, label: suggest === 'pass' ? 100 : 20001 } };
  };
  const answers = {
    '/cgi-bin/stable_token': (query, body) => (body.appid === 'wx1' && body.secret === 'wechat secret'
      ? { access_token: wechat.key, expires_in: 7200 } : { errcode: 40125, errmsg: 'invalid appsecret' }),
    '/sns/jscode2session': (query) => (query.get('js_code') === 'good' && query.get('secret') === 'wechat secret'
      ? { openid: 'o-ana', session_key: 'k' } : { errcode: 40029, errmsg: 'invalid code' }),
    '/wxa/msg_sec_check': (query, body) => {
      if (query.get('access_token') !== wechat.key) return { errcode: 40001, errmsg: 'invalid credential' };
      return body.openid === 'o-ana' && body.version === 2 ? judge(body) : { errcode: 40003, errmsg: 'invalid openid' };
    },
  };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece) => { body += piece; }).on('end', () => {
      if (wechat.isDown) return response.writeHead(502).end('<html>');
      const { pathname, searchParams } = new URL(request.url, 'http://wechat');
      wechat.asked.push({ path: pathname, body });
      return response.end(JSON.stringify(answers[pathname](searchParams, body && JSON.parse(body))));
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  return Object.assign(wechat, { url: `http://127.0.0.1:${server.address().port}` });
}

let relay;
before(async () => { relay = await startKeyedRelay(); });
after(() => relay.stop());

/** The backend, as a mini-program asks it. */
async function startChecker(t, variables = {}) {
  const wechat = await startWechat(t);
  const command = [php(), '-S', '127.0.0.1:0', `${examples}php/check-and-publish.php`];
  const address = await startBackend(t, command, { FANFARE_URL: relay.http, FANFARE_SECRET: SECRET,
    WECHAT_API: wechat.url, WECHAT_APPID: 'wx1', WECHAT_SECRET: 'wechat secret', ...variables });
  const ask = async (query, body, bearer) => {
    const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
    const answer = await fetch(`${address}/${query}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: answer.status, ...await answer.json() };
  };
  const login = async () => (await ask('?login', { code: 'good' })).token;
  return { wechat, ask, login, address };
}

const message = (id, text) => ({ id, nick: 'Ana', text, at: 1_750_000_000_000 });

test('a message is checked, then published, once, and not to its sender', async (t) => {
  if (!php()) return missing(t, 'there is no php-cli');
  const { wechat, ask, login } = await startChecker(t);
  const bearer = await login();
  const [own, other] = [await member(t, relay, 'chat', 'own'), await member(t, relay, 'chat', 'other')];
  const { own: connection } = await relay.publicIds('chat');
  const said = await ask('', { ...message('a-1', '你好 🎺'), connection }, bearer);
  assert.deepEqual([said.status, said.members], [200, 1], JSON.stringify(said));
  const again = await ask('', { ...message('a-1', '你好 🎺'), connection }, bearer);
  assert.deepEqual(again, said);
  const checked = wechat.asked.find(({ path }) => path === '/wxa/msg_sec_check');
  assert.ok(checked.body.includes('"content":"Ana\\n你好 🎺"'), 'WeChat reads characters, not escapes');
  for (const word of ['risky', 'review']) {
    const refused = await ask('', message(`a-${word}`, `something ${word}`), bearer);
    assert.deepEqual([refused.status, refused.error], [422, 'not accepted']);
  }
  assert.equal((await ask('', { ...message('a-2', 'fine'), nick: 'risky' }, bearer)).status, 422);
  assert.equal((await ask('', message('a-3', 'the end'), bearer)).status, 200);
  await until(() => other.length === 2 && own.length === 1, 'the messages');
  assert.deepEqual(other.map((text) => JSON.parse(text)), [message('a-1', '你好 🎺'), message('a-3', 'the end')]);
});

test('the mini-program publishes by it, is told what is refused, and hears nothing of its own', async (t) => {
  if (!php()) return missing(t, 'there is no php-cli');
  const { address } = await startChecker(t);
  const mini = launch(t, { url: relay.url, backend: { url: address, room: 'chat' },
    stored: { nick: 'Ana' }, code: 'good' });
  await mini.isOpen();
  const other = await member(t, relay, 'chat', 'other');
  const settles = async (text, status) => {
    mini.says(text);
    await until(() => mini.lines().find((line) => line.text === text)?.status === status, text);
  };
  await settles('from the phone', 'sent');
  await settles('something risky', 'refused');
  await settles('and goodbye', 'sent');
  await until(() => other.length === 2, 'the messages');
  const said = ['from the phone', 'and goodbye'];
  assert.deepEqual(other.map((text) => JSON.parse(text).text), said);
  const heard = mini.lines().filter(({ mine, text }) => !mine && said.includes(text));
  assert.deepEqual(heard, []);
});

test('only the backend publishes: the mini-program\'s token lets it hear', async (t) => {
  if (!php()) return missing(t, 'there is no php-cli');
  const { ask, login } = await startChecker(t);
  const bearer = await login();
  const request = (method) => fetch(`${relay.http}/chat`, { method, body: method === 'POST' ? 'x' : undefined,
    headers: { Authorization: `Bearer ${bearer}`, Accept: 'text/event-stream' } });
  assert.equal((await request('POST')).status, 403);
  const stream = await request('GET');
  assert.equal(stream.status, 200);
  await stream.body.cancel();
  assert.equal((await ask('?login', { code: 'bad' })).status, 401);
  const claims = { sub: 'o-ana', hear: ['chat'], speak: [], exp: Math.floor(Date.now() / 1000) + 60 };
  const [head, body] = token(claims).split('.');
  for (const forged of [undefined, 'x', `${head}.${body}.`, token(claims, 'another'), token({ ...claims, exp: 1 }),
    token(claims, ''), bearer.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))]) {
    assert.equal((await ask('', message('b-1', 'x'), forged)).status, 401, forged);
  }
  assert.equal((await ask('', message('b-1', 'x'), token(claims))).status, 200);
  for (const wrong of [null, [], { ...message('b-2', 'x'), text: 7 }, { ...message('b-2', 'x'), id: undefined },
    message('b-2', 'x'.repeat(2400))]) {
    assert.equal((await ask('', wrong, bearer)).status, 400, JSON.stringify(wrong));
  }
});

test('what cannot be checked is not published', async (t) => {
  if (!php()) return missing(t, 'there is no php-cli');
  const { wechat, ask, login } = await startChecker(t);
  const bearer = await login();
  const other = await member(t, relay, 'chat', 'other');
  wechat.isDown = true;
  assert.equal((await ask('', message('c-1', 'x'), bearer)).status, 503);
  wechat.isDown = false;
  const stranger = token({ sub: 'o-bob', hear: ['chat'], speak: [], exp: Math.floor(Date.now() / 1000) + 60 });
  assert.equal((await ask('', message('c-2', 'x'), stranger)).status, 503, 'WeChat does not know this user');
  assert.equal((await ask('', message('c-3', 'checked'), bearer)).status, 200);
  await until(() => other.length === 1, 'the message');
  assert.equal(JSON.parse(other[0]).id, 'c-3');
});

for (const name of ['WECHAT_SECRET', 'FANFARE_SECRET']) {
  test(`without ${name} it does nothing`, async (t) => {
    if (!php()) return missing(t, 'there is no php-cli');
    const { ask } = await startChecker(t, { [name]: '' });
    const claims = { sub: 'o-ana', hear: ['chat'], speak: [], exp: Math.floor(Date.now() / 1000) + 60 };
    assert.equal((await ask('', message('d-1', 'x'), token(claims, ''))).status, 503);
  });
}
