// The listeners in PHP, Node and Python: each joins a room and prints another client's messages.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { startRelay } from '../../clients/js/test/relay.js';
import { examples, missing, npmPackages, php, python } from './prepared.js';
import { start, until } from './program.js';
import { stubborn } from './stubborn.js';

const LISTENERS = {
  php: () => {
    const command = php();
    return command ? [command, `${examples}php/listen.php`] : 'there is no php-cli';
  },
  node: () => (npmPackages('node') ? [process.execPath, `${examples}node/listen.mjs`]
    : 'npm cannot install ws'),
  python: () => {
    const command = python();
    const program = `${examples}python/listen.py`;
    return command ? [command, program] : 'there is no python3 with websockets';
  },
};
const LONGEST = 'x'.repeat(65536); // the relay's --max-message

let relay;
let commands;
before(async () => {
  relay = await startRelay();
  commands = Object.fromEntries(Object.entries(LISTENERS).map(([name, find]) => [name, find()]));
});
after(() => relay.stop());

/** Starts a listener; null, and the test is skipped, if it cannot run here. */
function listen(t, name, url) {
  const command = commands[name];
  if (typeof command === 'string') {
    missing(t, command);
    return null;
  }
  return start(t, command[0], [...command.slice(1), url]);
}

async function join(t, url) {
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

for (const name of Object.keys(LISTENERS)) {
  test(`${name} prints another client's messages in order`, async (t) => {
    const url = `${relay.url}/${name}/${encodeURIComponent('房间')}?token=x`;
    const listener = listen(t, name, url);
    if (!listener) return;
    await listener.until('err', (text) => text.includes('listening to'));
    const sender = await join(t, url);
    sender.send('hello');
    sender.send('你好 🎺');
    sender.send(Buffer.from([0, 1, 2, 0xff]));
    sender.send('a'.repeat(125));
    sender.send('b'.repeat(126));
    sender.send('');
    sender.send(LONGEST);
    sender.send('the end');
    const said = await listener.until('out', (text) => text.endsWith('the end\n'));
    assert.deepEqual(said.split('\n'), ['hello', '你好 🎺', '(4 bytes)', 'a'.repeat(125),
      'b'.repeat(126), '', LONGEST, 'the end', '']);
  });

  test(`${name} says why it ended when the relay goes down`, async (t) => {
    const own = await startRelay();
    const listener = listen(t, name, `${own.url}/`);
    if (!listener) return own.stop();
    await listener.until('err', (text) => text.includes('listening to'));
    assert.equal(await own.stop(), 0, 'the listener answered the close, nobody was cut');
    assert.equal(await listener.ended, 1);
    assert.match(listener.said.err, /closed: .*1012.* going down/);
  });

  test(`${name} answers a ping and a close, and takes bytes as they come`, async (t) => {
    const texts = ['first', '裂'.repeat(300), 'last'];
    const server = await stubborn(t, texts);
    const listener = listen(t, name, server.url);
    if (!listener) return;
    assert.equal(await listener.ended, 0);
    assert.equal(listener.said.out, `${texts.join('\n')}\n`);
    const [pong, close] = await until(() => server.frames.length >= 2 && server.frames, 'the answers');
    assert.ok(pong.isMasked && close.isMasked);
    assert.deepEqual([pong.first, pong.payload.toString()], [0x8a, 'are you there?']);
    assert.deepEqual([close.first, close.payload.readUInt16BE(0)], [0x88, 1000]);
  });

  test(`${name} ends with 1 when it is refused`, async (t) => {
    const server = createServer((request, response) => response.writeHead(503).end('no'));
    server.on('upgrade', (request, socket) => {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
    });
    t.after(() => server.close());
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const listener = listen(t, name, `ws://127.0.0.1:${server.address().port}/`);
    if (!listener) return;
    assert.equal(await listener.ended, 1);
    assert.match(listener.said.err, /503/);
    assert.equal(listener.said.out, '');
  });
}

for (const name of ['node', 'python']) {
  test(`${name} closes in order when it is interrupted`, async (t) => {
    const url = `${relay.url}/interrupted`;
    const listener = listen(t, name, url);
    if (!listener) return;
    await listener.until('err', (text) => text.includes('listening to'));
    const sender = await join(t, url);
    sender.send('now'); // it is in its loop when it has printed this
    await listener.until('out', (text) => text === 'now\n');
    listener.kill('SIGINT');
    assert.equal(await listener.ended, 0);
    assert.match(listener.said.err, /closed: 1000/);
  });
}
