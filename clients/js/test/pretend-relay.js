// A relay's room with fanfare.v1, of which the test decides each step: what is read, what is answered,
// what a connection still receives before it is cut.
import assert from 'node:assert/strict';
import { join, pass } from './fake-socket.js';

const text = (data) => (typeof data === 'string' ? data : Buffer.from(data).toString('latin1'));

/** A room that keeps its newest `keeps` messages; `echo` as in the relay's `--echo`. */
export class PretendRoom {
  constructor({ keeps = 100, echo = false } = {}) {
    Object.assign(this, { keeps, echo, epochs: 0, connections: 0 });
    this.restart();
  }

  /** The relay was killed: it knows nothing any more. */
  restart() {
    this.epoch = `e${this.epochs += 1}`;
    this.log = []; // all messages of this epoch: `{ sequence, payload, from }`
    this.known = new Map(); // the ids of tags
  }

  get newest() { return this.log.length; }

  get oldest() { return Math.max(1, this.newest - this.keeps + 1); }

  idOf(sequence) { return `${sequence}:${this.epoch}`; }

  publish(payload, from = null, tag = '') {
    if (this.known.has(tag)) return this.known.get(tag);
    this.log.push({ sequence: this.newest + 1, payload, from });
    const id = this.idOf(this.newest);
    if (tag) this.known.set(tag, id);
    return id;
  }

  /** Answers the handshake of a fake socket; gives the connection. */
  accept(socket) {
    assert.ok(socket.protocols.includes('fanfare.v1'));
    return new PretendConnection(this, socket);
  }
}

class PretendConnection {
  constructor(room, socket) {
    Object.assign(this, { room, socket, epoch: room.epoch, unread: 0 });
    const query = new URL(socket.url).searchParams;
    const [sequence, epoch] = (query.get('last_event_id') ?? '').split(':');
    const last = Number(query.get('last') ?? 0);
    const isKnown = epoch === room.epoch && sequence >= room.oldest - 1 && sequence <= room.newest;
    if (isKnown) this.at = Number(sequence);
    else if (epoch !== undefined) this.at = room.oldest - 1;
    else this.at = Math.max(room.oldest - 1, room.newest - last);
    const hello = { type: 'hello', connection: `c${room.connections += 1}`, id: room.idOf(this.at),
      resumed: isKnown, gap: epoch !== undefined && !isKnown };
    this.answers = [hello];
    this.own = new Set();
    socket.open('fanfare.v1');
  }

  get isLost() { return this.socket.readyState !== 1 || this.epoch !== this.room.epoch; }

  /** Reads one message that the client sent, if there is one. */
  read() {
    if (this.unread >= this.socket.sent.length) return;
    const message = text(this.socket.sent[this.unread]);
    this.unread += 1;
    const end = message.indexOf('\n');
    const tag = message.slice(0, end);
    assert.match(tag, /^[A-Za-z0-9_-]{0,64}$/);
    const before = this.room.newest;
    const id = this.room.publish(message.slice(end + 1), this.socket, tag);
    if (this.room.newest > before && !this.room.echo) this.own.add(this.room.newest);
    if (tag) this.answers.push({ type: 'ok', tag, id });
  }

  /** The client receives one answer. */
  answer() {
    if (this.answers.length) this.socket.say(`\n${JSON.stringify(this.answers.shift())}`);
  }

  /** The client receives what the relay says first, and then the next message of the room. */
  deliver() {
    if (this.answers[0]?.type === 'hello') return this.answer();
    const message = this.room.log[this.at];
    if (!message) return undefined;
    this.at += 1;
    if (!this.own.has(message.sequence)) this.socket.say(`${message.sequence}\n${message.payload}`);
    return undefined;
  }

  /** As a slow consumer, it is skipped to the newest message. */
  skip() {
    if (this.answers[0]?.type === 'hello' || this.at === this.room.newest) return;
    this.at = this.room.newest;
    this.socket.say(`\n${JSON.stringify({ type: 'gap', id: this.room.idOf(this.at) })}`);
  }

  answerAll() {
    while (this.unread < this.socket.sent.length || this.answers.length) {
      this.read();
      this.answer();
    }
  }

  settle() {
    this.answerAll();
    while (this.at < this.room.newest) this.deliver();
  }
}

/** A client in a pretend room; `connection` is its newest. */
export function enter(options = {}, roomOptions = {}) {
  const relay = new PretendRoom(roomOptions);
  const all = join(options);
  const accept = () => { all.connection = relay.accept(all.newest()); };
  const again = () => {
    all.newest().end(1006);
    pass(all.told('reconnecting').at(-1).delayMs);
    accept();
  };
  return Object.assign(all, { relay, accept, again });
}
