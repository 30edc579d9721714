// Compression as clients of others see it: node's `ws` and Python's `websockets`, with and without a
// context, beside plain ones in one room. Each must receive exactly the others' messages, in order.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { missing, python } from '../examples/prepared.js';
import { Client, PATIENCE, relay } from './client.js';
import { digest, pythonMember, start } from './python.js';

const DEFLATE = ['--deflate', '--deflate-share-min', '3'];

// Offers of `ws`; it compresses its messages from the first byte on.
const offer = (options) => ({ perMessageDeflate: { threshold: 0, ...options } });
const KINDS = {
  plain: { perMessageDeflate: false },
  context: offer({}),
  'no context': offer({ serverNoContextTakeover: true, clientNoContextTakeover: true }),
  'small window': offer({ serverMaxWindowBits: 9 }), // it is declined: the member hears plain frames
};

const quote = (number) => JSON.stringify({
  symbol: 'FAN', bid: 1000 + (number * 7) % 13, ask: 1001 + (number * 11) % 17, number,
  venue: 'a market with a name that is always the same', note: '价格只是一个例子',
});

// Small ones that resemble each other, and whatever else may come between them.
function messages() {
  const odd = {
    40: '', 80: Buffer.from('binary'), 120: '万物皆有裂痕，那是光照进来的地方。'.repeat(900),
    160: randomBytes(20_000), 200: 'x'.repeat(60_000),
  };
  return [...Array(300)].map((_, number) => odd[number] ?? quote(number));
}

// So that members share before it counts: a coming is looked for once a second, when a message is
// due. The bytes that a socket reads for a message show whether it did.
async function untilShared(speaker, listener) {
  const bytesRead = () => listener.socket._socket.bytesRead;
  for (let number = 0; ; number += 1) {
    const before = bytesRead();
    speaker.send(quote(number));
    await listener.next();
    if (bytesRead() - before < quote(number).length / 3) return number + 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('members of every kind receive the same, and some share a context', PATIENCE, async (t) => {
  const url = await relay(t, ...DEFLATE);
  const kinds = Object.entries(KINDS).flatMap(([name, options]) => [...Array(4)].fill([name, options]));
  const members = await Promise.all(kinds.map(([, options]) => Client.join(t, `${url}/prices`, options)));
  kinds.forEach(([name], at) => {
    const agreed = members[at].socket._extensions['permessage-deflate']?.params;
    assert.equal(agreed !== undefined, name.endsWith('context'), name);
    const forgets = name === 'no context' ? true : undefined;
    assert.equal(agreed?.server_no_context_takeover, forgets, name);
  });
  const speaker = await Client.join(t, `${url}/prices`, KINDS['no context']);
  const sharer = members[kinds.findIndex(([name]) => name === 'context')];
  const before = await untilShared(speaker, sharer);
  for (const member of members.filter((member) => member !== sharer)) {
    for (let number = 0; number < before; number += 1) assert.equal(await member.next(), quote(number));
  }
  const said = messages();
  for (const message of said) speaker.send(message);
  for (const member of members) for (const message of said) assert.deepEqual(await member.next(), message);
});

test('each in turn publishes, and the others receive it', PATIENCE, async (t) => {
  const url = await relay(t, ...DEFLATE);
  const all = await Promise.all(
    Object.values(KINDS).flatMap((options) => [1, 2, 3].map(() => Client.join(t, url, options))),
  );
  for (let round = 0; round < 40; round += 1) {
    const speaker = all[(round * 5) % all.length];
    speaker.send(quote(round));
    for (const member of all) if (member !== speaker) assert.equal(await member.next(), quote(round));
    if (round === 20) {
      const late = await Client.join(t, url, KINDS.context);
      all.splice(3, 1)[0].socket.close();
      all.push(late);
    }
  }
});

test("Python's websockets receive and send the same", PATIENCE, async (t) => {
  const command = python();
  if (!command) return missing(t, 'there is no python3 with websockets');
  const url = await relay(t, ...DEFLATE);
  const members = await Promise.all(['plain', 'context', 'context', 'context', 'no-context', 'small']
    .map((kind) => pythonMember(t, command, url, kind)));
  const speaker = await Client.join(t, url, KINDS.context);
  const sharer = await Client.join(t, url, KINDS.context);
  const before = await untilShared(speaker, sharer);
  const said = messages();
  for (const message of said) speaker.send(message);
  const quotes = [...Array(before)].map((_, number) => quote(number));
  for (const member of members) {
    for (const message of [...quotes, ...said]) assert.equal(await member.next(), digest(message));
  }
  for (const message of said) assert.deepEqual(await sharer.next(), message);
  for (const member of members) {
    member.say(quote(7));
    for (const other of [speaker, sharer]) assert.equal(await other.next(), quote(7));
    for (const other of members) if (other !== member) assert.equal(await other.next(), digest(quote(7)));
  }
});

test("Tornado's client keeps its context: it is closed, and may decline compression", PATIENCE, async (t) => {
  const command = python('tornado>=6.5,<7');
  if (!command) return missing(t, 'there is no python3 with tornado');
  const url = await relay(t, ...DEFLATE);
  const other = await Client.join(t, `${url}/prices`, KINDS.plain);
  const keeper = await start(t, command, 'keeper.py', `${url}/prices`);
  assert.match(await keeper.next(), /^agreed permessage-deflate; client_no_context_takeover/);
  keeper.say(quote(1));
  assert.equal(await other.next(), quote(1));
  keeper.say(quote(2));
  assert.match(await keeper.next(), /^closed 1007 compressed with the messages before/);
  const plain = await start(t, command, 'keeper.py', `${url}/prices?deflate=off`);
  assert.equal(await plain.next(), 'agreed nothing');
  for (let number = 3; number < 10; number += 1) {
    plain.say(quote(number));
    assert.equal(await other.next(), quote(number));
  }
});
