// The bytes in docs/protocol.md, one by one, on the real relay.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HOST } from '../../clients/js/test/own.js';
import { startRelay } from '../../clients/js/test/relay.js';
import { until } from './program.js';

const run = promisify(execFile);
const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const blocks = (kind) => [...text.matchAll(new RegExp(`^\`\`\`${kind}(.*)\\n([^]*?)^\`\`\``, 'gm'))]
  .map(([, flags, body]) => ({ flags: flags.trim().split(' ').filter(Boolean), body }));
const [handshake, about] = blocks('http').map(({ body }) => body.replace(/\n/g, '\r\n'));
const upgrade = handshake.slice(0, handshake.indexOf('HTTP/1.1 101'));

/** A TCP connection and its received bytes. */
async function dial(t, port) {
  const socket = connect(port, HOST);
  t.after(() => socket.destroy());
  const line = { socket, heard: Buffer.alloc(0), ended: false };
  socket.on('data', (bytes) => { line.heard = Buffer.concat([line.heard, bytes]); });
  socket.on('end', () => { line.ended = true; });
  socket.on('error', () => { line.ended = true; });
  await new Promise((resolve) => { socket.once('connect', resolve); });
  /** Takes so many received bytes. */
  line.take = async (bytes) => {
    await until(() => line.heard.length >= bytes || line.ended, `${bytes} bytes`);
    const taken = line.heard.subarray(0, bytes);
    line.heard = line.heard.subarray(bytes);
    return taken;
  };
  return line;
}

async function member(t, port, path = '/news') {
  const line = await dial(t, port);
  line.socket.write(upgrade.replace('/news', path));
  const answer = handshake.slice(upgrade.length);
  assert.equal((await line.take(answer.length)).toString(), answer);
  return line;
}

const wires = blocks('wire');
for (const { flags, body } of wires) {
  test(`as docs/protocol.md says: ${body.split('\n')[0]} ${flags.join(' ')}`, async (t) => {
    const relay = await startRelay(flags);
    t.after(() => relay.stop('SIGKILL'));
    const one = await member(t, relay.port);
    const other = await member(t, relay.port);
    let late;
    for (const row of body.trim().split('\n')) {
      const [, path] = /^\+ (\S+)/.exec(row) ?? [];
      if (path) {
        late = await member(t, relay.port, path);
        continue;
      }
      const [, way, hex] = /^([→←⇐⇠]) ((?:[0-9a-f]{2} ?)+)/.exec(row);
      const bytes = Buffer.from(hex.replace(/ /g, ''), 'hex');
      if (way === '→') one.socket.write(bytes);
      else {
        const hears = { '←': one, '⇐': other, '⇠': late }[way];
        assert.equal((await hears.take(bytes.length)).toString('hex'), bytes.toString('hex'), row);
      }
    }
    assert.equal(one.heard.length, 0, 'and nothing else');
    if (/^← 88/m.test(body)) {
      one.socket.write(Buffer.from('888000000000', 'hex')); // a close of ours, in answer
      await until(() => one.ended, 'the end of the stream');
    }
  });
}

/** A frame with a short text, as a client sends it; its mask is zero. */
function masked(text) {
  const payload = Buffer.from(text);
  assert.ok(payload.length < 126);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** The text of the next frame. */
async function nextText(line) {
  const [first, length] = await line.take(2);
  assert.equal(first, 0x81);
  const bytes = length === 126 ? (await line.take(2)).readUInt16BE() : length;
  return (await line.take(bytes)).toString();
}

const dialogues = blocks('v1');
for (const { flags, body } of dialogues) {
  test(`as docs/protocol.md says: fanfare.v1 ${flags.join(' ')}`, async (t) => {
    const relay = await startRelay(flags);
    t.after(() => relay.stop('SIGKILL'));
    const join = async (path) => {
      const line = await dial(t, relay.port);
      const offer = 'Sec-WebSocket-Protocol: fanfare, fanfare.v1\r\n\r\n';
      line.socket.write(upgrade.replace('/news', path).replace(/\r\n$/, offer));
      await until(() => line.heard.includes('\r\n\r\n') || line.ended, 'the answer');
      const head = await line.take(line.heard.indexOf('\r\n\r\n') + 4);
      assert.match(head.toString(), /^HTTP\/1.1 101 [^]*\r\nSec-WebSocket-Protocol: fanfare.v1\r\n/);
      return line;
    };
    const one = await join('/news');
    const other = await join('/news');
    // Only the epoch and the public ids differ from the example's.
    let epoch = '';
    const as = (text) => text.replace(/(?<=\d:)[0-9a-f]{16}/g, epoch)
      .replace(/(?<="connection":")[\w-]{22}(?=")/g, 'PUBLIC-ID');
    let late;
    for (const row of body.trim().split('\n')) {
      const [, way, content] = /^([→←⇐⇠+]) (.*)$/.exec(row);
      const text = content.replaceAll('↵', '\n');
      if (way === '+') late = await join(as(text));
      else if (way === '→') one.socket.write(masked(text));
      else {
        const heard = await nextText({ '←': one, '⇐': other, '⇠': late }[way]);
        epoch ||= /(?<=\d:)[0-9a-f]{16}/.exec(heard)[0];
        assert.equal(as(heard), as(text), row);
      }
    }
    for (const line of [one, other, late]) assert.equal(line.heard.length, 0, 'and nothing else');
  });
}

const shells = blocks('shell');
for (const { flags, body } of shells) {
  test(`as docs/protocol.md says: ${body.split('\n')[0]}`, async (t) => {
    const relay = await startRelay(flags);
    t.after(() => relay.stop('SIGKILL'));
    for (const part of body.split(/^\$ /m).slice(1)) {
      const [command] = part.split('\n', 1);
      const here = command.replaceAll('127.0.0.1:2046', relay.place);
      // curl waits for an answer, and only the relay can keep it waiting.
      const { stdout } = await run('sh', ['-c', here]);
      assert.equal(stdout.trim(), part.slice(command.length).trim(), command);
    }
  });
}

/** The bytes of whole chunks, in one. */
function unchunked(bytes) {
  const [, size, rest] = /^([0-9a-f]+)\r\n([^]*)$/.exec(bytes) ?? [];
  const length = parseInt(size, 16);
  if (!(rest?.length >= length + 2)) return '';
  return rest.slice(0, length) + unchunked(rest.slice(length + 2));
}

const streams = blocks('events');
for (const { flags, body } of streams) {
  test(`as docs/protocol.md says: ${body.split('\n')[0]}, an event stream`, async (t) => {
    const relay = await startRelay(flags);
    t.after(() => relay.stop('SIGKILL'));
    const [request, head, events] = body.split(/(?<=^\n)(?=HTTP|retry)/m);
    const publish = async (text) => {
      const answer = await fetch(`${relay.http}/news`, { method: 'POST', body: text });
      return (await answer.json()).id;
    };
    // Messages before those of the example, so that these get their ids.
    const earlier = Number(/^id: (\d+):/m.exec(events)[1]) - 1;
    for (let number = 1; number <= earlier; number += 1) await publish('earlier');
    let id;
    for (const event of events.matchAll(/(^data: .*\n)+/gm)) {
      id = await publish(event[0].replace(/^data: /gm, '').trimEnd());
    }
    const line = await dial(t, relay.port);
    line.socket.write(request.replace(/\n/g, '\r\n'));
    // Only the epoch and the time to wait differ from the example's.
    const as = (text) => text.replace(/(?<=\d:)[0-9a-f]{16}/g, id.split(':')[1])
      .replace(/^retry: [1-5]\d{3}$/m, 'retry: TIME');
    const expectedHead = as(head).replace(/\n/g, '\r\n');
    assert.equal((await line.take(expectedHead.length)).toString(), expectedHead);
    await until(() => unchunked(line.heard.toString()).length >= events.length || line.ended, 'the events');
    assert.equal(as(unchunked(line.heard.toString())), as(events));
    assert.equal(line.ended, false, 'the stream goes on');
  });
}

test('the description of a room', async (t) => {
  const relay = await startRelay();
  t.after(() => relay.stop('SIGKILL'));
  const [request, body] = about.split(/(?<=\r\n\r\n)/);
  const line = await dial(t, relay.port);
  line.socket.write(request);
  await until(() => line.ended, 'the answer');
  assert.equal(line.heard.toString().split('\r\n\r\n')[1], body.trim());
});

test('there are enough examples', () => {
  const counts = [wires, shells, streams, dialogues].map(({ length }) => length);
  assert.ok(counts.every((count, at) => count >= [9, 1, 1, 1][at]), `${counts}`);
});
