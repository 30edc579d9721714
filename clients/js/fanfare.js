// fanfare-client: a room of a WebSocket relay that comes back by itself.
// Browsers, mini-programs (WeChat, uni-app, Douyin, Alipay) and Node; no dependencies.

const DEFAULTS = {
  json: false, // parse what comes, serialise what goes
  heartbeat: null, // the relay's word pair, as ['ping', 'pong']
  pingIntervalMs: 25000, // silence before a ping: proxies cut after 60 s
  pongTimeoutMs: 10000, // silence after it, until the connection counts as dead
  openTimeoutMs: 15000, // a handshake over a bad mobile network takes seconds
  backoffBaseMs: 500,
  backoffMaxMs: 20000,
  stableMs: 5000, // open for so long, the next loss is a new one
  queueMessages: 100, // kept while there is no connection; the oldest goes first
  queueBytes: 256 * 1024,
};
const WAKE_JITTER_MS = 500; // all phones of a tunnel come out of it at once
const DRAIN_MS = 100; // how often a full socket is looked at again

// 1008 is a refusal, but for these two: the next connection may do better.
const PASSING = ['no pong', 'message took too long'];

/** Whether to connect again after a close that we did not ask for. */
export function mayRetry(code, reason = '') {
  if (code === 1008) return PASSING.includes(reason);
  // The client broke a rule, and would again. WeChat's 1000 "interrupted" is no goodbye.
  if ([1002, 1003, 1007, 1009, 1010].includes(code)) return false;
  return !(code >= 3500 && code <= 3999) && !(code >= 4001 && code <= 4099);
}

/** The least delay that a close reason asks for: `retry-after=SECONDS`. */
function serverDelayMs(reason) {
  const found = /\bretry-after=(\d{1,5})\b/.exec(reason);
  return found ? Number(found[1]) * 1000 : 0;
}

const bytesOf = (data) => (typeof data === 'string' ? data.length : data.byteLength ?? 0);

class Room {
  constructor(url, options) {
    this.url = url;
    this.options = { ...DEFAULTS, random: Math.random, ...options };
    this.state = 'connecting';
    this._Socket = pickSocket(this.options.WebSocket);
    this._listeners = {};
    this._timers = {};
    this._queue = [];
    this._queued = 0;
    this._attempt = 0;
    this._heard = Date.now();
    this._renew();
    this._unwatch = watchWorld((awake) => this._wake(awake));
    this._open();
  }

  /** Resolves when the connection is open: this one, or the next. */
  get ready() {
    return this._ready.promise;
  }

  /** Hears an event; the function that comes back takes the listener off. */
  on(event, listener) {
    (this._listeners[event] ??= new Set()).add(listener);
    return () => this._listeners[event].delete(listener);
  }

  /** Sends, or keeps it for later; false when it will never leave. */
  send(data) {
    if (this.state === 'closed') return false;
    const wire = this.options.json ? JSON.stringify(data) : data;
    this._queue.push(wire);
    this._queued += bytesOf(wire);
    this._drain();
    let dropped = 0;
    const { queueMessages, queueBytes } = this.options;
    while (this._queue.length > queueMessages || this._queued > queueBytes) {
      this._queued -= bytesOf(this._queue.shift());
      dropped += 1;
    }
    if (dropped) this._emit('gap', { dropped, awayMs: 0 });
    return true;
  }

  /** Ends it for good. */
  close(code = 1000, reason = '') {
    if (this.state === 'closed') return;
    const socket = this._socket;
    this._end({ code, reason, willReconnect: false });
    dismiss(socket, code, reason);
  }

  _emit(event, detail) {
    for (const listener of [...(this._listeners[event] ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        setTimeout(() => { throw error; }, 0); // their fault, and nobody else's loss
      }
    }
  }

  _renew() {
    const ready = {};
    ready.promise = new Promise((resolve, reject) => Object.assign(ready, { resolve, reject }));
    ready.promise.catch(() => {}); // nobody has to ask
    this._ready = ready;
  }

  _after(name, delayMs, work) {
    clearTimeout(this._timers[name]);
    this._timers[name] = setTimeout(work, delayMs);
  }

  _still() {
    Object.values(this._timers).forEach((timer) => clearTimeout(timer));
  }

  _open() {
    let socket;
    try {
      socket = new this._Socket(this.url, this.options.protocols ?? []);
    } catch (error) {
      // An address that no socket takes will not get better.
      this._emitLater('error', { message: String(error?.message ?? error) });
      this._end({ code: 1006, reason: 'no socket', willReconnect: false });
      return;
    }
    this._socket = socket;
    socket.binaryType = 'arraybuffer';
    const mine = (work) => (event) => { if (this._socket === socket) work(event); };
    socket.onopen = mine(() => this._opened());
    socket.onmessage = mine((event) => this._message(event.data));
    socket.onerror = mine((event) => this._emit('error', { message: event?.message ?? 'socket error' }));
    socket.onclose = mine((event) => this._lost(event?.code ?? 1006, event?.reason ?? ''));
    this._after('open', this.options.openTimeoutMs, () => this._replace('no answer'));
  }

  _emitLater(event, detail) {
    setTimeout(() => this._emit(event, detail), 0); // nobody can listen before connect() is back
  }

  _opened() {
    clearTimeout(this._timers.open);
    const awayMs = this.state === 'reconnecting' ? Date.now() - this._lostAt : 0;
    this.state = 'open';
    this._after('stable', this.options.stableMs, () => { this._attempt = 0; });
    this._listen();
    this._drain();
    this._ready.resolve();
    this._emit('open');
    if (awayMs) this._emit('gap', { dropped: 0, awayMs });
  }

  /** Gives the socket what is queued, as long as it takes it. */
  _drain() {
    while (this._queue.length && this.state === 'open') {
      if ((this._socket.bufferedAmount ?? 0) > this.options.queueBytes) {
        this._after('drain', DRAIN_MS, () => this._drain());
        return;
      }
      const data = this._queue.shift();
      this._queued -= bytesOf(data);
      try {
        this._socket.send(data);
      } catch (error) {
        this._emit('error', { message: String(error?.message ?? error), data });
      }
    }
  }

  _message(data) {
    this._listen();
    const pair = this.options.heartbeat;
    if (pair && data === pair[1]) return;
    if (!this.options.json || typeof data !== 'string') return this._emit('message', data);
    let value;
    try {
      value = JSON.parse(data.replace(/\uFEFF/g, ''));
    } catch (error) {
      return this._emit('error', { message: error.message, data });
    }
    this._emit('message', value);
  }

  /** Anything that comes is a sign of life: the silence begins anew. */
  _listen() {
    this._heard = Date.now();
    clearTimeout(this._timers.pong);
    if (this.options.heartbeat) {
      this._after('ping', this.options.pingIntervalMs, () => this._ping(this.options.pongTimeoutMs));
    }
  }

  _ping(timeoutMs) {
    this._after('pong', timeoutMs, () => this._replace('no pong'));
    try {
      this._socket.send(this.options.heartbeat[0]);
    } catch {
      this._replace('no pong');
    }
  }

  /** A connection that is dead, whether it knows or not. */
  _replace(reason) {
    const socket = this._socket;
    this._socket = null; // what it still says is not heard
    dismiss(socket, 1000, '');
    this._lost(1006, reason);
  }

  _lost(code, reason) {
    const willReconnect = mayRetry(code, reason);
    if (!willReconnect) return this._end({ code, reason, willReconnect });
    this._still();
    this._socket = null;
    if (this.state === 'open') this._renew();
    const isNews = this.state !== 'reconnecting';
    this.state = 'reconnecting';
    if (isNews) {
      this._lostAt = this._heard;
      this._emit('close', { code, reason, willReconnect });
    }
    if (this.state !== 'closed') this._retry(serverDelayMs(reason));
  }

  /** Full jitter: a herd that lost its relay together comes back spread out. */
  _retry(leastMs) {
    const { backoffBaseMs, backoffMaxMs, random } = this.options;
    const most = Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(this._attempt, 30));
    this._attempt += 1;
    const delayMs = Math.round(leastMs + random() * most);
    this._notBefore = Date.now() + leastMs;
    this._emit('reconnecting', { attempt: this._attempt, delayMs });
    if (this.state === 'reconnecting') this._after('retry', delayMs, () => this._open());
  }

  /** The page is seen again, or the network is back. */
  _wake(awake) {
    if (!awake || this.state === 'closed') return;
    if (this.state === 'reconnecting' && !this._socket) {
      const leastMs = Math.max(0, this._notBefore - Date.now());
      this._after('retry', leastMs + this.options.random() * WAKE_JITTER_MS, () => this._open());
    } else if (this.state === 'open' && this.options.heartbeat
      && Date.now() - this._heard >= this.options.pingIntervalMs) {
      this._ping(Math.min(this.options.pongTimeoutMs, 3000)); // timers slept: ask now
    }
  }

  _end(detail) {
    this._still();
    this._socket = null;
    this._unwatch?.();
    this.state = 'closed';
    this._queue = [];
    this._queued = 0;
    this._ready.reject(new Error(`closed: ${detail.code} ${detail.reason}`.trim()));
    this._emitLater('close', detail);
  }
}

/** Joins a room; see README.md for options and events. */
export function connect(url, options = {}) {
  return new Room(url, options);
}

/** Closes a socket that nobody listens to any more; never throws. */
function dismiss(socket, code, reason) {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {}; // Node's `ws` throws an error that nobody hears
  try {
    socket.close(code, reason);
  } catch { /* it is closed already, or the code is none that a client may send */ }
}

function pickSocket(given) {
  if (given) return given;
  if (typeof WebSocket === 'function') return WebSocket;
  if (platform()) return WxSocket;
  throw new Error('no WebSocket here: pass one as options.WebSocket (in Node 20: from "ws")');
}

/** Calls back when the world outside changes; the function that comes back ends that. */
function watchWorld(tell) {
  const ends = [];
  const listen = (target, event, work) => {
    target.addEventListener(event, work);
    ends.push(() => target.removeEventListener(event, work));
  };
  if (typeof addEventListener === 'function') listen(globalThis, 'online', () => tell(true));
  if (typeof document === 'object') {
    listen(document, 'visibilitychange', () => tell(document.visibilityState === 'visible'));
  }
  const app = platform();
  const hook = (on, off, work) => {
    if (typeof app?.[on] !== 'function') return;
    app[on](work);
    ends.push(() => app[off]?.(work));
  };
  hook('onAppShow', 'offAppShow', () => tell(true));
  hook('onNetworkStatusChange', 'offNetworkStatusChange', (status) => tell(status.isConnected));
  return () => ends.splice(0).forEach((end) => end());
}

/** The mini-program's own interface, if this is one. */
function platform() {
  /* global wx, uni, tt, my */
  if (typeof wx === 'object' && wx?.connectSocket) return wx;
  if (typeof uni === 'object' && uni?.connectSocket) return uni;
  if (typeof tt === 'object' && tt?.connectSocket) return tt;
  if (typeof my === 'object' && my?.connectSocket) return my;
  return null;
}

const SETTLE_MS = 100; // after an error, the close that says why may still come
const GOODBYE_MS = 1000; // a close that the platform never confirms

/** What browsers call WebSocket, on a mini-program's SocketTask. */
export class WxSocket {
  constructor(url, protocols = []) {
    const app = platform();
    if (!app) throw new Error('this is no mini-program');
    Object.assign(this, { url, protocol: '', extensions: '', binaryType: 'arraybuffer',
      bufferedAmount: 0, readyState: WxSocket.CONNECTING, _listeners: {},
      onopen: null, onmessage: null, onerror: null, onclose: null });
    const wanted = [].concat(protocols);
    const fail = (cause) => this._fail(cause);
    // `multiple` is Alipay's word for "give me a task of its own".
    const task = app.connectSocket({ url, multiple: true, fail, complete() {},
      ...(wanted.length ? { protocols: wanted } : {}) });
    this._task = task;
    if (!task?.onMessage) {
      if (this.readyState === WxSocket.CONNECTING) this._fail({ errMsg: 'no SocketTask' });
      return;
    }
    task.onOpen((answer) => this._open(answer));
    task.onMessage((message) => {
      const inner = message.data;
      const data = inner?.data ?? inner; // Alipay wraps it once more
      if (this.readyState === WxSocket.OPEN) this._tell('message', { data });
    });
    task.onError(fail);
    task.onClose((end) => this._finish(end?.code ?? 1006, end?.reason ?? ''));
  }

  send(data) {
    if (this.readyState !== WxSocket.OPEN) throw new Error('the socket is not open');
    const view = ArrayBuffer.isView(data); // a view's whole buffer is not what was meant
    const wire = view ? data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) : data;
    this._task.send({ data: wire, fail: (cause) => this._fail(cause) });
  }

  close(code = 1000, reason = '') {
    if (this.readyState >= WxSocket.CLOSING) return;
    this.readyState = WxSocket.CLOSING;
    this._goodbye = { code, reason };
    this._leave();
    setTimeout(() => this._finish(code, reason), GOODBYE_MS);
  }

  addEventListener(type, listener) {
    (this._listeners[type] ??= new Set()).add(listener);
  }

  removeEventListener(type, listener) {
    this._listeners[type]?.delete(listener);
  }

  _leave() {
    try {
      this._task?.close?.({ ...this._goodbye, fail() {} });
    } catch { /* some versions throw before the connection is open; `_open` tries again */ }
  }

  _open(answer) {
    if (this.readyState === WxSocket.CLOSING) return this._leave();
    if (this.readyState !== WxSocket.CONNECTING) return;
    const header = answer?.header ?? {};
    const name = Object.keys(header).find((key) => key.toLowerCase() === 'sec-websocket-protocol');
    this.protocol = name ? header[name] : '';
    this.readyState = WxSocket.OPEN;
    this._tell('open', {});
  }

  _fail(cause) {
    if (this.readyState === WxSocket.CLOSED || this._failed) return;
    this._failed = true;
    this._tell('error', { message: cause?.errMsg ?? 'socket error' });
    setTimeout(() => this._finish(1006, cause?.errMsg ?? ''), SETTLE_MS);
  }

  _finish(code, reason) {
    if (this.readyState === WxSocket.CLOSED) return;
    this.readyState = WxSocket.CLOSED;
    this._leave();
    this._tell('close', { code, reason, wasClean: code !== 1006 });
  }

  _tell(type, detail) {
    const event = { type, target: this, ...detail };
    this[`on${type}`]?.(event);
    for (const listener of [...(this._listeners[type] ?? [])]) {
      (listener.handleEvent ?? listener).call(listener, event);
    }
  }
}
for (const [number, name] of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].entries()) {
  WxSocket[name] = WxSocket.prototype[name] = number;
}
