// A socket whose other end is the test, on a clock that the test moves.
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { connect } from '../fanfare.js';

/** Stops the clock at one hour, for 0 counts as no time. */
export function stopClock() {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 3_600_000 });
}

/** Lets time pass, a millisecond at a time, so that timers started meanwhile fire in time. */
export function pass(ms) {
  const step = ms > 2000 ? 10 : 1;
  for (let left = ms; left > 0; left -= step) mock.timers.tick(Math.min(step, left));
}

/** A constructor like WebSocket; `made` has all its sockets, the newest last. */
export function fakeSockets() {
  const made = [];
  class FakeSocket {
    constructor(url, protocols, options) {
      Object.assign(this, { url, protocols, options, sent: [], readyState: 0, bufferedAmount: 0 });
      made.push(this);
    }

    send(data) { this.sent.push(data); }

    close(code, reason) {
      if (this.readyState > 1) return;
      this.readyState = 3;
      this.closedWith = [code, reason];
    }

    open(protocol = 'fanfare') {
      Object.assign(this, { readyState: 1, protocol });
      this.onopen?.({});
    }

    say(data) { this.onmessage?.({ data }); }

    end(code, reason = '', wasClean = false) {
      this.readyState = 3;
      this.onclose?.({ code, reason, wasClean });
    }
  }
  return { FakeSocket, made, newest: () => made.at(-1) };
}

/** A room over fake sockets, without jitter unless asked for; `told` has its events by name. */
export function join(options = {}, url = 'ws://relay/') {
  const sockets = fakeSockets();
  const room = connect(url, {
    WebSocket: sockets.FakeSocket, random: () => 1, ...options,
  });
  const events = [];
  for (const event of ['open', 'close', 'reconnecting', 'gap', 'error', 'message', 'pong']) {
    room.on(event, (detail) => {
      events.push([event, detail]);
      const live = sockets.made.filter((socket) => socket.readyState < 2);
      assert.ok(live.length <= 1, `two sockets at once, at ${event}`);
    });
  }
  const told = (name) => events.filter(([event]) => event === name).map(([, detail]) => detail);
  return { ...sockets, room, events, told };
}
