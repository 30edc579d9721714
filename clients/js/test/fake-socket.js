// A socket whose other end is the test.

/** A constructor like WebSocket; `made` has all its sockets, the newest last. */
export function fakeSockets() {
  const made = [];
  class FakeSocket {
    constructor(url) {
      Object.assign(this, { url, sent: [], readyState: 0, bufferedAmount: 0, madeAt: Date.now() });
      made.push(this);
    }

    send(data) { this.sent.push(data); }

    close(code) {
      this.readyState = 3;
      this.closedWith = code;
    }

    open() {
      this.readyState = 1;
      this.onopen?.({});
    }

    say(data) { this.onmessage?.({ data }); }

    end(code, reason = '') {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
  }
  return { FakeSocket, made, newest: () => made.at(-1) };
}
