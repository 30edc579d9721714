// Messages on their way to the relay: those that wait for a connection, and with fanfare.v1 those
// that were sent and are not answered yet.

const UNANSWERED_MAX = 1000; // the relay knows the newest 1,000 tags of a room
const UNANSWERED_BYTES_MAX = 1024 * 1024; // of a page's memory
const REPEAT_MS = 290_000; // the relay knows a tag for five minutes

/** Digits that are chosen at random: 40 bits. */
const digits = () => Math.random().toFixed(12).slice(2);

export class Outbox {
  constructor({ queueMessages, queueBytes }) {
    Object.assign(this, { _messagesMax: queueMessages, _bytesMax: queueBytes, _queue: [],
      queuedBytes: 0, _sent: new Map(), _sentBytes: 0, _again: [], _repeated: new Set(), _count: 0,
      _prefix: digits() + digits() }); // so no two messages of a room have the same tag
  }

  /** Adds a message: what goes over the wire, its size, and the promise's ends if there is one. */
  add(wire, size, settle) {
    const tag = `${this._prefix}-${(this._count += 1)}`;
    const message = { wire, size, settle, tag };
    this._queue.push(message);
    this.queuedBytes += size;
    return message;
  }

  /** Drops messages beyond the bounds, the oldest first; `newest` is the one that was added. */
  trim(newest) {
    const dropped = [];
    // Those that wait for answers are soon sent: only their bytes count.
    const messagesMax = this._isFull ? Infinity : this._messagesMax;
    while (this._queue.length > messagesMax || this.queuedBytes > this._bytesMax) {
      // A message that is too large by itself replaces no others.
      const gone = newest.size > this._bytesMax ? this._queue.pop() : this._queue.shift();
      this.queuedBytes -= gone.size;
      dropped.push(gone);
    }
    return dropped;
  }

  /** The message to send now, if there is one. */
  next() { return this._again[0] ?? (this._isFull ? undefined : this._queue[0]); }

  get _isFull() {
    return this._sent.size >= UNANSWERED_MAX || this._sentBytes >= UNANSWERED_BYTES_MAX;
  }

  /** The next message is being sent; `isAnswered`: the relay will answer its tag. */
  shift(isAnswered) {
    if (this._again.length) return this._again.shift();
    const message = this._queue.shift();
    this.queuedBytes -= message.size;
    if (isAnswered) {
      message.sentAt = Date.now();
      this._sent.set(message.tag, message);
      this._sentBytes += message.size;
    }
    return message;
  }

  /** Takes the message with this tag out: it is answered. */
  answer(tag) {
    const message = this._sent.get(tag);
    if (!message) return undefined;
    this._sent.delete(tag);
    this._sentBytes -= message.size;
    this._repeated.delete(tag);
    return message;
  }

  /**
   * A connection is open: unanswered messages come first. Gives those that are sent no more, for the
   * relay would not know them again.
   */
  repeat(isAnswered) {
    const isLate = ({ sentAt }) => !isAnswered || Math.abs(Date.now() - sentAt) > REPEAT_MS;
    const late = [...this._sent.values()].filter(isLate);
    late.forEach(({ tag }) => this.answer(tag));
    this._again = [...this._sent.values()];
    this._again.forEach((message) => { message.isRepeated = true; });
    this._repeated = new Set(this._sent.keys());
    return late;
  }

  /** Whether a repeated message is not answered yet. */
  get isRepeating() { return this._repeated.size > 0; }

  /** Takes all out: the queued ones, and those without an answer. */
  clear() {
    const queued = this._queue.splice(0);
    const unanswered = [...this._sent.values()];
    this._sent.clear();
    return { queued, unanswered };
  }
}
