// What of the received messages is new: where the member stands in its room, and what it said itself.
import { partsOf } from './wire.js';

const OWN_MAX = 1000; // the relay answers a repeated tag for the newest 1,000 of a room
const HELD_MAX = 10_000; // a replay is held for two seconds, whatever its length

export class Inbox {
  /** `deliver` gets a payload and its id; `tell` what the relay said about the room. */
  constructor(deliver, tell, id) {
    Object.assign(this, { _deliver: deliver, _tell: tell, _held: null, _own: new Map(),
      _echoes: false, // the relay sends own messages back
      ...partsOf(id ?? 0) });
  }

  /** The id of the newest message before which none is missing; null while it is not known. */
  get id() {
    if (!this.epoch) return null;
    let { sequence } = this;
    while (!this._echoes && this._own.has(sequence + 1)) sequence += 1;
    return `${sequence}:${this.epoch}`;
  }

  /** The relay says what the following messages come behind. */
  begin(id) {
    const { sequence, epoch } = partsOf(id);
    if (epoch !== this.epoch) this._own.clear();
    this.epoch = epoch;
    this._pass(sequence);
  }

  /** There are no ids any more. */
  forget() {
    this.epoch = null;
    this._held = null;
  }

  /** Holds what comes until `release`. */
  hold() { this._held = []; }

  release() {
    const held = this._held ?? [];
    this._held = null;
    held.forEach((each) => this.take(each));
  }

  /** An own message was published; `isRepeated`: it may have been on an earlier connection. */
  publish(id, isRepeated) {
    const { sequence, epoch } = partsOf(id);
    // A first answer with another epoch comes before the notice of it; a repeated one is of before.
    if ((epoch !== this.epoch && isRepeated) || sequence <= this.sequence) return;
    this._own.set(sequence, isRepeated);
    if (this._own.size <= OWN_MAX) return;
    const [oldest] = this._own.keys();
    this._own.delete(oldest);
    if (oldest === this.sequence + 1) this.sequence = oldest;
  }

  /** The connection is lost: own messages that come from now on are a replay. */
  lose() {
    this._held = null; // it comes again
    this._own.forEach((_, sequence) => this._own.set(sequence, true));
  }

  /** Takes a message, or a notice that stands between messages. */
  take(each) {
    if (this._held?.length < HELD_MAX) {
      this._held.push(each);
      return;
    }
    this.release();
    const { sequence, payload, notice } = each;
    if (notice?.type === 'epoch') ({ epoch: this.epoch } = partsOf(notice.id));
    else if (notice) {
      this.begin(notice.id);
      this._tell(notice);
    } else if (!sequence) this._deliver(payload, null); // to this member alone
    else if (sequence > this.sequence) {
      const isReplayed = this._own.get(sequence);
      if (isReplayed === false) this._echoes = true;
      this._pass(sequence);
      if (!isReplayed || this._echoes) this._deliver(payload, `${sequence}:${this.epoch}`);
    }
  }

  _pass(sequence) {
    this.sequence = sequence;
    for (const own of this._own.keys()) if (own <= sequence) this._own.delete(own);
  }
}
