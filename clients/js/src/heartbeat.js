// The heartbeat: a word is sent after silence, and without a sign of life the connection is dead.
import { clock } from './platform.js';
import { Timers } from './timers.js';

const WAKE_PONG_MS = 3000; // a user is waiting

export class Heartbeat {
  /** `give` sends a word; `die` is called when there is no answer. */
  constructor(options, give, die) {
    this._o = options;
    this._give = give;
    this._die = die;
    this._timers = new Timers();
  }

  /** A connection is open. */
  begin() {
    this.heardAt = Date.now();
    this._asked = []; // when the pings without answer were sent
    if (this._o.heartbeat) this._watch(this._o.pingIntervalMs);
  }

  end() { this._timers.stopAll(); }

  /** Takes any data as a sign of life; gives the round trip if it is the answer to a ping. */
  hear(data) {
    this.heardAt = Date.now();
    this._timers.stop('pong');
    // Only while an answer is pending: members may send the word, too.
    if (data !== this._o.heartbeat?.[1] || !this._asked.length) return null;
    return clock() - this._asked.shift();
  }

  ask(timeoutMs = this._o.pongTimeoutMs) {
    if (!this._o.heartbeat) return;
    // A second ping does not delay the end.
    if (!this._timers.has('pong')) this._timers.start('pong', timeoutMs, this._die);
    this._asked.push(clock());
    this._give(this._o.heartbeat[0]);
  }

  /** The page is visible again, or the network is back: timers slept. */
  wake() {
    const { pingIntervalMs, pongTimeoutMs } = this._o;
    if (Date.now() - this.heardAt < pingIntervalMs) return;
    this.ask(Math.min(pongTimeoutMs, WAKE_PONG_MS));
  }

  _watch(delayMs) {
    this._timers.start('watch', delayMs, () => {
      const { pingIntervalMs } = this._o;
      // The clock may be set back.
      const leftMs = pingIntervalMs - Math.abs(Date.now() - this.heardAt);
      this._watch(leftMs > 0 ? leftMs : pingIntervalMs);
      if (leftMs <= 0 && !this._timers.has('pong')) this.ask();
    });
  }
}
