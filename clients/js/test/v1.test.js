// fanfare.v1: what is offered and told, resume and gaps, on a fake clock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { join, pass, stopClock } from './fake-socket.js';
import { enter } from './pretend-relay.js';

beforeEach(stopClock);
afterEach(() => mock.timers.reset());

test('it offers fanfare.v1 and fanfare, beside a token; with raw nothing', () => {
  for (const [options, offered] of [
    [{}, ['fanfare.v1', 'fanfare']],
    [{ protocols: 'chat' }, ['fanfare.v1', 'fanfare', 'chat']],
    [{ protocols: ['fanfare', 'fanfare.token.x'] }, ['fanfare.v1', 'fanfare', 'fanfare.token.x']],
    [{ token: 'a.b.c' }, ['fanfare.v1', 'fanfare', 'fanfare.token.a.b.c']],
    [{ raw: true }, undefined],
    [{ raw: true, protocols: ['chat'] }, ['chat']],
    [{ raw: true, token: 'x' }, ['fanfare.token.x']],
  ]) {
    const { room, newest } = join(options);
    assert.deepEqual(newest().protocols, offered);
    room.close();
  }
});

test('messages come with their ids, text and binary as they were', () => {
  const { room, accept, newest } = enter();
  const heard = [];
  room.on('message', (data, id) => heard.push([data, id]));
  accept();
  assert.equal(room.id, null);
  newest().say('\n{"type":"hello","connection":"c7","id":"41:e","resumed":false,"gap":false}');
  assert.deepEqual([room.protocol, room.connection, room.id], ['fanfare.v1', 'c7', '41:e']);
  newest().say('42\nhello\n7\n');
  newest().say('43\n');
  newest().say(Uint8Array.from([52, 52, 10, 1, 10, 255]).buffer);
  newest().say('0\nfor you alone');
  assert.deepEqual(heard.map(([data, id]) => [
    data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data, id]), [
    ['hello\n7\n', '42:e'], ['', '43:e'], [[1, 10, 255], '44:e'], ['for you alone', null]]);
  assert.equal(room.id, '44:e');
  room.close();
});

test('what a later relay says in another way is ignored', () => {
  const { room, accept, newest, events } = enter();
  accept();
  const before = events.length;
  for (const data of ['\n{"type":"presence"}', '\n{"type":"constructor"}', '\nnull', '\n7', '\n{',
    '', 'pong', 'x\ny', '\n', undefined, new ArrayBuffer(0), new ArrayBuffer(30), '\n{"type":7}', '\n{"type":"string"}']) {
    newest().say(data);
  }
  assert.equal(events.length, before);
  room.close();
});

test('a publication is answered with its id, or with an error that has a word', async () => {
  const { room, accept, newest, told } = enter();
  accept();
  const [first, second] = [room.publish('one'), room.publish(new Uint8Array([2]))];
  const tags = newest().sent.map((data) => Buffer.from(data).toString().split('\n')[0]);
  assert.equal(new Set(tags).size, 2);
  tags.forEach((tag) => assert.match(tag, /^[A-Za-z0-9_-]{16,64}$/));
  assert.deepEqual([...new Uint8Array(newest().sent[1])].slice(-2), [10, 2]);
  newest().say(`\n{"type":"ok","tag":"${tags[0]}","id":"1:e1"}`);
  assert.equal(await first, '1:e1');
  newest().say(`\n{"type":"error","tag":"${tags[1]}","error":"may_not_speak","message":"No."}`);
  await assert.rejects(second, { code: 'may_not_speak', message: 'No.' });
  assert.deepEqual(told('error'), []);
  room.send('three');
  const [tag] = newest().sent[2].split('\n');
  newest().say(`\n{"type":"error","tag":"${tag}","error":"may_not_speak","message":"No."}`);
  newest().say('\n{"type":"error","tag":null,"error":"no_line_feed","message":"A tag."}');
  assert.deepEqual(told('error'), [{ message: 'No.', data: 'three' },
    { message: 'A tag.', data: undefined }]);
  room.close();
  await assert.rejects(room.publish('late'), { code: 'closed' });
});

test('a publication without fanfare.v1 is null when it was sent', async () => {
  const { room, newest } = join({ queueMessages: 1 });
  const dropped = room.publish('too many');
  const sent = room.publish('kept');
  await assert.rejects(dropped, { code: 'dropped' });
  newest().open('fanfare');
  assert.equal(await sent, null);
  assert.deepEqual(newest().sent, ['kept']);
  const refused = room.publish(7);
  await assert.rejects(refused, TypeError);
  newest().end(1006);
  const queued = room.publish('waits');
  room.close();
  pass(1);
  await assert.rejects(queued, { code: 'closed' });
});

test('after a loss it goes on behind the last message, and no gap is told', () => {
  const all = enter({}, { keeps: 10 });
  all.accept();
  all.relay.publish('a');
  all.connection.settle();
  all.newest().end(1006);
  ['b', 'c'].forEach((payload) => all.relay.publish(payload));
  pass(500);
  assert.equal(all.newest().url, 'ws://relay/?last_event_id=1%3Ae1');
  all.accept();
  all.connection.settle();
  assert.deepEqual([all.told('message'), all.told('gap')], [['a', 'b', 'c'], []]);
  all.room.close();
});

test('what is missing is told before the first message', () => {
  const all = enter({}, { keeps: 2 });
  all.accept();
  all.relay.publish('a');
  all.connection.settle();
  all.newest().end(1006, '', true);
  ['b', 'c', 'd'].forEach((payload) => all.relay.publish(payload));
  pass(500);
  all.accept();
  all.connection.settle();
  const news = all.events.filter(([event]) => /gap|message/.test(event));
  assert.deepEqual(news, [['message', 'a'], ['gap', { dropped: 0, awayMs: 500, missed: true }],
    ['message', 'c'], ['message', 'd']]);
  all.relay.restart();
  all.relay.publish('of another epoch');
  all.again();
  all.connection.settle();
  assert.equal(all.told('gap').length, 2);
  assert.equal(all.told('message').at(-1), 'of another epoch');
  assert.equal(all.room.id, '1:e2');
  all.room.close();
});

test('a message that was there already is ignored', () => {
  const all = enter();
  all.accept();
  ['a', 'b'].forEach((payload) => all.relay.publish(payload));
  all.connection.settle();
  all.newest().say('1\na');
  all.newest().say('2\nb');
  assert.deepEqual([all.told('message'), all.room.id], [['a', 'b'], '2:e1']);
  all.room.close();
});

test('a slow consumer that is skipped is told, and goes on behind it', () => {
  const all = enter();
  all.accept();
  ['a', 'b', 'c'].forEach((payload) => all.relay.publish(payload));
  all.connection.deliver();
  all.connection.deliver();
  all.connection.skip();
  assert.deepEqual(all.told('gap'), [{ dropped: 0, awayMs: 0, missed: true }]);
  assert.equal(all.room.id, '3:e1');
  all.room.close();
});

test('another epoch in the stream changes ids, and nothing else', () => {
  const all = enter();
  all.accept();
  all.relay.publish('a');
  all.connection.settle();
  all.newest().say('\n{"type":"epoch","id":"1:new"}');
  assert.deepEqual([all.room.id, all.told('gap')], ['1:new', []]);
  all.newest().say('2\nb');
  assert.deepEqual([all.room.id, all.told('message')], ['2:new', ['a', 'b']]);
  all.room.close();
});

test('an answer may come before the notice of the epoch that it names', () => {
  const all = enter();
  all.accept();
  all.relay.publish('a');
  all.connection.settle();
  all.room.send('own');
  const [tag] = all.newest().sent.at(-1).split('\n');
  all.newest().say(`\n{"type":"ok","tag":"${tag}","id":"2:new"}`);
  all.newest().say('\n{"type":"epoch","id":"1:new"}');
  assert.equal(all.room.id, '2:new', 'its own message is not played again');
  all.room.close();
});

test('the newest messages come first where they are asked for, once', () => {
  const all = enter({ last: 2 });
  assert.equal(all.newest().url, 'ws://relay/?last=2');
  all.newest().end(1006);
  pass(500);
  assert.equal(all.newest().url, 'ws://relay/?last=2', 'it has begun nowhere yet');
  ['a', 'b', 'c'].forEach((payload) => all.relay.publish(payload));
  all.accept();
  all.newest().end(1006);
  pass(1000);
  assert.equal(all.newest().url, 'ws://relay/?last=2', 'the hello was lost');
  all.accept();
  all.connection.settle();
  all.again();
  assert.equal(all.newest().url, 'ws://relay/?last_event_id=3%3Ae1');
  all.connection.settle();
  assert.deepEqual([all.told('message'), all.told('gap')], [['b', 'c'], []]);
  all.room.close();
});

test('it begins behind a stored id', () => {
  const all = enter({ lastEventId: '1:e1', last: 50 });
  assert.equal(all.room.id, '1:e1');
  assert.equal(all.newest().url, 'ws://relay/?last_event_id=1%3Ae1');
  ['seen', 'new'].forEach((payload) => all.relay.publish(payload));
  all.accept();
  all.connection.settle();
  assert.deepEqual([all.told('message'), all.told('gap')], [['new'], []]);
  all.room.close();
  const other = enter({ lastEventId: '1:elsewhere' });
  other.accept();
  other.connection.settle();
  assert.deepEqual(other.told('gap'), [{ dropped: 0, awayMs: 0, missed: true }]);
  other.room.close();
});

test('the rest of an address stays, and an id in it is replaced', () => {
  const all = join({}, 'ws://relay/a?token=x&last_event_id=1:e&last=5');
  assert.equal(all.newest().url, 'ws://relay/a?token=x&last_event_id=1:e&last=5');
  all.newest().open('fanfare.v1');
  all.newest().say('\n{"type":"hello","connection":"c","id":"3:e","resumed":true,"gap":false}');
  all.newest().end(1006);
  pass(500);
  assert.equal(all.newest().url, 'ws://relay/a?token=x&last=5&last_event_id=3%3Ae');
  all.room.close();
});

test('a relay of before is a raw room, also after one with fanfare.v1', async () => {
  const all = enter();
  all.accept();
  all.connection.settle();
  const lost = all.room.publish('one');
  all.newest().end(1006);
  pass(500);
  all.newest().open('fanfare');
  await assert.rejects(lost, { code: 'unanswered' });
  all.newest().say('7\nfrom a raw member');
  assert.deepEqual([all.room.id, all.room.protocol, all.told('message')],
    [null, 'fanfare', ['7\nfrom a raw member']]);
  assert.deepEqual(all.told('gap').map(({ dropped, missed }) => [dropped, missed]),
    [[1, false], [0, true]]);
  all.again();
  all.connection.settle();
  assert.equal(all.told('gap').length, 3, 'there was no id to go on from');
  assert.equal(all.room.id, '0:e1');
  all.room.close();
});

test('where the platform does not tell the subprotocol, the first message does', () => {
  for (const [first, protocol, heard] of [
    ['\n{"type":"hello","connection":"c","id":"3:e","resumed":false,"gap":false}', 'fanfare.v1', []],
    ['hello', 'fanfare', ['hello']],
  ]) {
    const { room, newest, told } = join();
    newest().open('');
    room.send('waits');
    assert.deepEqual([room.state, newest().sent], ['connecting', []]);
    newest().say(first);
    assert.deepEqual([room.state, room.protocol, told('message')], ['open', protocol, heard]);
    assert.match(newest().sent[0], protocol === 'fanfare' ? /^waits$/ : /^[\w-]+\nwaits$/);
    room.close();
  }
  const { room, newest, told } = join();
  newest().open('');
  pass(2000);
  assert.deepEqual([room.state, told('open').length], ['open', 1], 'a relay of before says nothing');
  room.close();
  const raw = join({ raw: true });
  raw.newest().open('');
  assert.equal(raw.room.state, 'open');
  raw.room.close();
});

test('a heartbeat is answered as in a raw room', () => {
  const all = enter({ heartbeat: ['ping', 'pong'] });
  all.accept();
  all.connection.settle();
  all.room.ping();
  assert.equal(all.newest().sent[0], 'ping');
  all.newest().say('pong');
  assert.equal(all.told('pong').length, 1);
  assert.deepEqual([all.told('message'), all.told('error')], [[], []]);
  all.room.close();
});
