// The mini-program's app.js and chat page, with pretended globals of WeChat, on the real relay.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { startRelay } from '../../clients/js/test/relay.js';
import { launch as launchAt, require, root } from './mini.js';
import { until } from './program.js';

const HEARTBEAT = ['--heartbeat', 'ping=pong'];

let relay;
before(async () => {
  relay = await startRelay(HEARTBEAT);
});
after(() => relay.stop());
const launch = (t, options) => launchAt(t, { url: relay.url, ...options });

/** Another client in the room, and its received messages. */
async function client(t, url) {
  const socket = new WebSocket(url);
  const heard = [];
  socket.on('message', (data, isBinary) => heard.push(isBinary ? data : data.toString()));
  t.after(() => socket.terminate());
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const hears = (text) => until(() => heard.find((data) => data.includes(text)), text);
  return { heard, hears, say: (data) => socket.send(data) };
}

const nicked = { nick: 'Li', room: 'talk' };

test('it opens its socket at launch, talks, listens and closes', async (t) => {
  const mini = launch(t, { stored: nicked });
  assert.equal(mini.app.globalData.socketStatus, 'connecting');
  await mini.isOpen();
  assert.equal(mini.page.data.state, 'open');
  assert.equal(mini.titles.at(-1), 'talk · connected');
  const other = await client(t, `${relay.url}/talk`);
  mini.says(' 你好 ');
  const message = JSON.parse(await other.hears('你好'));
  assert.deepEqual([message.nick, message.text], ['Li', '你好']);
  assert.ok(Math.abs(message.at - Date.now()) < 60_000 && message.id);
  other.say(JSON.stringify({ id: 'a', nick: 'Wang', text: 'hello', at: Date.now() }));
  const line = await mini.shows('hello');
  assert.deepEqual([line.nick, line.mine, line.status], ['Wang', false, 'sent']);
  assert.match(line.time, /^\d\d:\d\d$/);
  assert.deepEqual(mini.lines().map(({ mine }) => mine), [true, false]);
  mini.app.closeSocket();
  assert.equal(mini.app.globalData.socketStatus, 'closed');
  await until(() => mini.wx.tasks.size === 0, 'the end of the task');
  mini.says('nobody hears this');
  assert.deepEqual(mini.toasts, ['Not sent: closed']);
  assert.equal(mini.page.data.text, 'nobody hears this', 'what was written is not lost');
});

test('a relay with --json, and a server that begins with a byte order mark', async (t) => {
  const json = await startRelay(['--json', ...HEARTBEAT]);
  t.after(() => json.stop());
  const mini = launch(t, { url: json.url, stored: nicked });
  await mini.isOpen();
  const other = await client(t, `${json.url}/talk`);
  other.say(' \uFEFF{"id":"a","nick":"PHP","text":"从 PHP 来","at":1}');
  assert.equal((await mini.shows('从 PHP 来')).nick, 'PHP');
  other.say('plain');
  await mini.shows('plain');
});

test('whatever strangers send is a line of text', async (t) => {
  const mini = launch(t, { stored: nicked });
  await mini.isOpen();
  const other = await client(t, `${relay.url}/talk`);
  const sent = [
    '<script>alert(1)</script>', '{"id":1}', 'null', '[]', '"', '{"id":"","nick":"a","text":"b"}',
    JSON.stringify({ id: 'x', nick: 'n'.repeat(1000), text: 't'.repeat(9000), at: 'soon' }),
    JSON.stringify({ id: 'x', nick: 'again', text: 'the same id', at: 1 }),
    JSON.stringify({ id: 'y', nick: '', text: '', at: 1e300 }), '{"__proto__":{"a":1}}',
    'y'.repeat(60_000), '👍'.repeat(1500), Buffer.from([1, 2, 3]), 'the end',
  ];
  sent.forEach((data) => other.say(data));
  await mini.shows('the end');
  const lines = mini.lines();
  assert.equal(lines.length, sent.length - 1, 'one id is one line');
  assert.equal(lines[0].text, sent[0]);
  assert.deepEqual([lines[6].nick.length, lines[6].text.length], [25, 2001]);
  assert.equal(lines[7].nick, 'somebody');
  assert.ok(lines[7].at <= Date.now());
  assert.equal(lines.at(-2).text, '(3 bytes)');
  assert.ok(lines.every(({ text }) => text.isWellFormed()));
  assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length);
});

test('the relay restarts: messages written meanwhile are sent once', async (t) => {
  let own = await startRelay(HEARTBEAT);
  t.after(() => own.stop());
  const mini = launch(t, { url: own.url, stored: nicked });
  await mini.isOpen();
  await own.stop();
  await until(() => mini.page.data.state === 'reconnecting', 'the loss');
  await until(() => /again in \d+ s/.test(mini.page.data.banner), 'the banner');
  mini.says('meanwhile');
  await until(() => mini.lines()[0]?.status === 'waiting', 'the mark');
  own = await startRelay(HEARTBEAT, own.port);
  // The listener may join later than the mini-program: then only the mark shows it.
  await mini.isOpen();
  await until(() => mini.lines()[0].status === 'sent', 'the mark to go');
  await until(() => mini.notices().some((notice) => /^Away for \d+ s/.test(notice)), 'the notice');
  assert.equal(mini.page.data.banner, '');
  const other = await client(t, `${own.url}/talk`);
  mini.says('afterwards');
  await other.hears('afterwards');
  assert.equal(other.heard.length, 1);
});

test('WeChat cuts it in the background, and it is back when it is seen again', async (t) => {
  const mini = launch(t, { stored: nicked });
  await mini.isOpen();
  mini.wx.hide();
  mini.wx.cut(); // what follows five seconds later, with code 1000
  await until(() => mini.app.globalData.socketStatus === 'reconnecting', 'the loss');
  mini.wx.show();
  await mini.isOpen();
  assert.equal(mini.wx.tasks.size, 1);
});

test('it shows what was said before, and after the background what was said meanwhile, once', async (t) => {
  const own = await startRelay(['--history-messages', '100', ...HEARTBEAT]);
  t.after(() => own.stop());
  const publish = async (text) => {
    const body = JSON.stringify({ id: text, nick: 'Wang', text, at: 1 });
    assert.equal((await fetch(`${own.http}/talk`, { method: 'POST', body })).status, 200);
  };
  await publish('before');
  const mini = launch(t, { url: own.url, stored: nicked });
  await mini.shows('before');
  mini.says('mine');
  await publish('theirs');
  await mini.shows('theirs');
  mini.wx.hide();
  mini.wx.cut();
  await publish('meanwhile');
  mini.wx.show();
  await mini.shows('meanwhile');
  assert.deepEqual(mini.lines().map(({ text, mine, status }) => [text, mine, status]), [
    ['before', false, 'sent'], ['mine', true, 'sent'], ['theirs', false, 'sent'],
    ['meanwhile', false, 'sent']]);
  assert.deepEqual(mini.notices(), []);
});

test('new lines scroll into view, but not away from a reader further up', async (t) => {
  const mini = launch(t, { stored: nicked });
  await mini.isOpen();
  const other = await client(t, `${relay.url}/talk`);
  const isLast = async (text) => {
    const line = await mini.shows(text);
    await until(() => mini.page.data.last === line.key, `${text} in view`);
  };
  for (const text of ['one', 'two']) {
    other.say(text);
    await isLast(text);
  }
  const { last } = mini.page.data;
  mini.page.scroll({ detail: { scrollTop: 500, scrollHeight: 900 } });
  mini.page.scroll({ detail: { scrollTop: 300, scrollHeight: 900 } });
  other.say('three');
  other.say('four');
  await mini.shows('four');
  assert.deepEqual([mini.page.data.last, mini.page.data.unseen], [last, 2]);
  mini.page.toEnd();
  await isLast('four');
  assert.equal(mini.page.data.unseen, 0);
  mini.page.scroll({ detail: { scrollTop: 100, scrollHeight: 950 } });
  mini.page.reachEnd();
  other.say('five');
  await isLast('five');
  mini.page.scroll({ detail: { scrollTop: 90, scrollHeight: 950 } });
  mini.says('mine');
  await isLast('mine');
});

test('with a backend it does not publish by itself, and shows what the backend says', async (t) => {
  const asked = [];
  const statuses = [401, 200, 422, 503];
  const server = createServer(async (request, answer) => {
    let body = '';
    for await (const piece of request) body += piece;
    asked.push({ url: request.url, token: request.headers.authorization, ...JSON.parse(body) });
    answer.statusCode = request.url === '/?login' ? 200 : statuses.shift();
    answer.end(JSON.stringify({ token: `t${asked.length}` }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const backend = { url: `http://127.0.0.1:${server.address().port}/`, room: 'chat' };
  const mini = launch(t, { stored: nicked, backend });
  await mini.isOpen();
  assert.equal(mini.app.globalData.room, 'chat');
  const other = await client(t, `${relay.url}/chat`);
  const settles = async (text, status) => {
    mini.says(text);
    await until(() => mini.lines().find((line) => line.text === text)?.status === status, status);
  };
  await settles('checked', 'sent');
  await settles('rude', 'refused');
  await settles('unlucky', 'lost');
  const { id, nick, connection } = asked.find(({ text }) => text === 'checked');
  assert.deepEqual([nick, typeof id, connection], ['Li', 'string', mini.app.connection.connection]);
  assert.deepEqual(asked.map(({ url, token }) => [url, token]), [['/?login', undefined],
    ['/', 'Bearer t1'], ['/?login', undefined], ['/', 'Bearer t3'], ['/', 'Bearer t3'], ['/', 'Bearer t3']]);
  assert.deepEqual(other.heard, []);
});

test('another room is another connection, and the only one', async (t) => {
  const mini = launch(t);
  await mini.isOpen();
  assert.equal(mini.titles.at(-1), 'Lobby · connected');
  mini.says('hello');
  mini.page.join();
  assert.deepEqual(mini.toasts, ['A nickname is needed', 'A nickname is needed']);
  mini.type('Nick', ' Zhang ');
  for (const room of ['_/room', '../x', 'a/./b', '裂'.repeat(86), '\ud800']) {
    mini.type('Room', room);
    mini.page.join();
    assert.equal(mini.toasts.pop(), 'This room name is not allowed', room);
  }
  mini.type('Room', '/房间/一');
  mini.page.join();
  await mini.isOpen();
  assert.deepEqual([mini.storage.nick, mini.storage.room], ['Zhang', '房间/一']);
  const other = await client(t, `${relay.url}/${encodeURI('房间/一')}`);
  mini.says('here');
  await other.hears('here');
  for (let n = 0; n < 20; n += 1) mini.page.join();
  mini.says('at once'); // the connections before are still closing
  await mini.isOpen();
  await until(() => mini.lines().find(({ text }) => text === 'at once')?.status === 'sent', 'it');
  await until(() => mini.wx.tasks.size === 1, 'one task');
});

test('a busy room is bounded, in lines and in work', async (t) => {
  const mini = launch(t, { stored: nicked });
  await mini.isOpen();
  const before = mini.sets();
  const other = await client(t, `${relay.url}/talk`);
  for (let n = 0; n < 3000; n += 1) other.say(`line ${n}`);
  await mini.shows('line 2999');
  assert.equal(mini.page.data.lines.length, 100);
  assert.equal(mini.page.ids.size, 100);
  assert.ok(mini.sets() - before < 300, `${mini.sets() - before} times for 3,000 messages`);
});

test('a closed page gets no events', async (t) => {
  const mini = launch(t, { stored: nicked });
  await mini.isOpen();
  mini.page.onUnload();
  assert.equal(mini.app.listeners.size, 0);
  mini.page.setData = () => assert.fail('it is gone');
  mini.app.closeSocket();
});

test('it speaks the language of WeChat', async (t) => {
  const chinese = launch(t, { language: 'zh_CN' });
  await chinese.isOpen();
  assert.equal(chinese.titles.at(-1), '大厅 · 已连接');
  const { wordsFor } = require('./words.js');
  const [english, other] = [wordsFor('en'), wordsFor('zh_TW')];
  assert.deepEqual(Object.keys(english), Object.keys(other));
});

test('the parts fit: pages, handlers, words, the client', () => {
  const json = (name) => JSON.parse(readFileSync(root + name, 'utf8'));
  const { pages } = json('app.json');
  for (const page of pages) {
    for (const kind of ['js', 'json', 'wxml', 'wxss']) {
      assert.ok(existsSync(`${root}${page}.${kind}`));
    }
  }
  json('pages/chat/chat.json');
  json(json('app.json').sitemapLocation);
  for (const { value } of json('project.config.json').packOptions.ignore) {
    assert.ok(existsSync(root + value), value);
  }
  const markup = readFileSync(`${root}pages/chat/chat.wxml`, 'utf8');
  const program = readFileSync(`${root}pages/chat/chat.js`, 'utf8');
  const handlers = [...markup.matchAll(/\bbind\w+="(\w+)"/g)].map((found) => found[1]);
  assert.ok(handlers.length >= 6);
  handlers.forEach((name) => assert.match(program, new RegExp(`^  ${name}\\(`, 'm')));
  const words = require('./words.js').wordsFor('en');
  const used = [...markup.matchAll(/\bwords\.(\w+)/g)].map((found) => found[1]);
  used.forEach((name) => assert.equal(typeof words[name], 'string', name));
});
