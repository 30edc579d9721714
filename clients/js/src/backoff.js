// Whether and when to connect again.

const NAMED_MAX_S = 3600; // timers overflow after 24 days
const WAKE_JITTER_MS = 500; // many clients wake at once

/** Whether to connect again after a close. */
export function mayRetry(code, reason) {
  // Refused, but for these two causes, which may not come again.
  if (code === 1008) return /^(no pong|message took too long)$/.test(reason);
  // A broken rule, or a final close. WeChat's 1000 "interrupted" is neither.
  return !/^(100[2379]|1010|3[5-9]\d\d|400[1-9]|40[1-9]\d|440[13])$/.test(code);
}

/** Full jitter: clients that lost their relay together reconnect spread out. */
export class Backoff {
  constructor(options) {
    this._o = options;
    this.attempt = 0;
  }

  /** The delay before the next attempt; a close reason may name the least one, in seconds. */
  next(reason) {
    const { backoffBaseMs, backoffMaxMs, random } = this._o;
    const named = /\bretry-after=(\d+)/.exec(reason);
    const leastMs = named ? Math.min(named[1], NAMED_MAX_S) * 1000 : 0;
    const most = Math.min(backoffMaxMs, backoffBaseMs * 2 ** this.attempt);
    const delayMs = Math.round(leastMs + random() * most);
    this.attempt += 1;
    this._notBefore = Date.now() + leastMs;
    this._at = Date.now() + delayMs;
    return delayMs;
  }

  /** The delay from now when a user waits: never later than it was. */
  sooner() {
    const at = Math.max(Date.now(), this._notBefore) + this._o.random() * WAKE_JITTER_MS;
    this._at = Math.min(at, this._at);
    return this._at - Date.now();
  }
}
