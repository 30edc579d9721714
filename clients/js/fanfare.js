// A room of a WebSocket relay that reconnects by itself: browsers, mini-programs, Node.

const DEFAULTS = {
  pingIntervalMs: 25000, // proxies cut silence after 60 s
  pongTimeoutMs: 10000,
  openTimeoutMs: 15000, // bad networks
  backoffBaseMs: 500,
  backoffMaxMs: 20000,
  stableMs: 5000, // then the backoff is reset
  queueMessages: 100,
  queueBytes: 256 * 1024, // offline, and also inside the socket
  random: Math.random,
};
const WAKE_JITTER_MS = 500; // many clients wake at once
const WAKE_PONG_MS = 3000; // a user is waiting
const NAMED_MAX_S = 3600; // timers overflow after 24 days

/** Whether to connect again after a close. */
export function mayRetry(code, reason) {
  // Refused, but for these two causes, which may not come again.
  if (code === 1008) return /^(no pong|message took too long)$/.test(reason);
  // A broken rule, or a final close. WeChat's 1000 "interrupted" is neither.
  return !/^(100[2379]|1010|3[5-9]\d\d|400[1-9]|40[1-9]\d|440[13])$/.test(code);
}

/** Joins a room: see README.md. */
export function connect(url, options) {
  return new Room(url, options);
}

class Room {
  constructor(url, options) {
    const o = this._o = { ...DEFAULTS };
    for (const key in options) if (options[key] !== undefined) o[key] = options[key];
    const platform = typeof WebSocket === 'function' ? WebSocket : miniProgram() && WxSocket;
    o.WebSocket = o.WebSocket ?? platform;
    if (!o.WebSocket) throw new Error('no WebSocket here: pass options.WebSocket');
    const { on, emit } = listeners();
    Object.assign(this, { url, on, _emit: emit, state: 'connecting',
      _attempt: 0, _queue: [], _queued: 0, _timers: {} });
    this._renew();
    this._sleep = onWake(() => this._wake());
    this._dial();
  }

  ping() { if (this.state === 'open' && this._o.heartbeat) this._ask(this._o.pongTimeoutMs); }

  close(code = 1000, reason = '') { if (this.state !== 'closed') this._end(code, reason, code); }

  send(data) {
    const o = this._o;
    const queue = this._queue;
    const binary = bufferOf(data);
    const wire = binary ?? (o.json ? JSON.stringify(data) : data);
    if (!binary && typeof wire !== 'string') throw new TypeError('neither text nor binary');
    if (this.state === 'closed') return false;
    // Not ASCII: three bytes at most.
    const size = binary?.byteLength ?? wire.replace(/[^\0-\x7f]/g, '...').length;
    const message = { wire, size };
    queue.push(message);
    this._queued += size;
    this._flush();
    const isGiven = !queue.length;
    let dropped = 0;
    while (queue.length > o.queueMessages || this._queued > o.queueBytes) {
      // A message that is too large by itself replaces no others.
      this._queued -= (size > o.queueBytes ? queue.pop() : queue.shift()).size;
      dropped += 1;
    }
    if (dropped) this._emit('gap', { dropped, awayMs: 0 });
    return isGiven || queue.includes(message);
  }

  _fault({ message = 'socket error' }, data) { this._emit('error', { message, data }); }

  _cancel(method) {
    clearTimeout(this._timers[method]);
    this._timers[method] = null;
  }

  /** Calls a method later; at most one call of each is pending. */
  _after(delayMs, method, ...args) {
    this._cancel(method);
    this._timers[method] = setTimeout(() => {
      this._timers[method] = null;
      this[method](...args);
    }, delayMs);
  }

  _renew() {
    this.ready = new Promise((...both) => { this._settle = both; });
    this.ready.catch(() => {}); // it may be unused
  }

  _leave(code, reason) {
    Object.keys(this._timers).forEach((name) => this._cancel(name));
    const socket = this._socket;
    this._socket = null;
    dismiss(socket, code, reason);
    if (this.state === 'open') this._renew();
  }

  _dial() {
    const o = this._o;
    let { url } = this;
    if (this._plain) url += `${/\?/.test(url) ? '&' : '?'}deflate=off`;
    let own;
    try {
      own = new o.WebSocket(url, o.protocols, o.socketOptions);
    } catch (error) {
      setTimeout(() => this._fault(error), 0); // listeners come later
      return this._end(1006, 'no socket'); // the address stays invalid
    }
    this._socket = own; // one at most; events of others are ignored
    own.binaryType = 'arraybuffer';
    const mine = (work) => (event) => { if (this._socket === own) work(event ?? {}); };
    own.onopen = mine(() => this._opened());
    own.onmessage = mine(({ data }) => this._heard(data));
    own.onerror = mine((event) => this._fault(event));
    own.onclose = mine(({ code = 1006, reason = '', wasClean }) => {
      this._lost(code, reason, wasClean);
    });
    this._after(o.openTimeoutMs, '_lost', 1006, 'no answer');
  }

  _opened() {
    this._cancel('_lost');
    const awayMs = this._openedAt && Math.max(1, Date.now() - this._lostAt);
    this.state = 'open';
    this._openedAt = this._heardAt = Date.now();
    this._asked = []; // when the pings without answer were sent
    if (this._o.heartbeat) this._after(this._o.pingIntervalMs, '_watch');
    this._flush();
    this._settle[0]();
    this._emit('open');
    if (awayMs && this._socket) this._emit('gap', { dropped: 0, awayMs });
  }

  _heard(data) {
    this._heardAt = Date.now(); // any event is a sign of life
    this._cancel('_lost');
    // Only while an answer is pending: members may send the word, too.
    if (data === this._o.heartbeat?.[1] && this._asked.length) {
      return this._emit('pong', { roundTripMs: clock() - this._asked.shift() });
    }
    let value = data;
    try {
      if (this._o.json && typeof data === 'string') value = JSON.parse(data.trim()); // cuts a BOM
    } catch (error) {
      return this._fault(error, data);
    }
    this._emit('message', value);
  }

  _watch() {
    const { pingIntervalMs, pongTimeoutMs } = this._o;
    // The clock may be set back.
    const leftMs = pingIntervalMs - Math.abs(Date.now() - this._heardAt);
    this._after(leftMs > 0 ? leftMs : pingIntervalMs, '_watch');
    if (leftMs <= 0 && !this._timers._lost) this._ask(pongTimeoutMs);
  }

  _ask(timeoutMs) {
    // A second ping does not delay the end.
    if (!this._timers._lost) this._after(timeoutMs, '_lost', 1006, 'no pong');
    this._asked.push(clock());
    this._give(this._o.heartbeat[0]);
  }

  _lost(code, reason, clean) {
    // Safari 15 and others compress in a way that no relay can read.
    if (code === 1007 && !this._plain && this._socket.extensions) this._plain = true;
    else if (!mayRetry(code, reason)) return this._end(code, reason);
    if (this.state === 'open') {
      if (Date.now() - this._openedAt >= this._o.stableMs) this._attempt = 0;
      this._lostAt = clean ? Date.now() : this._heardAt;
    }
    this._leave();
    const isNews = this.state !== 'reconnecting';
    this.state = 'reconnecting';
    if (isNews) this._emit('close', { code, reason, willReconnect: true });
    if (this.state === 'reconnecting') this._retry(reason);
  }

  /** Full jitter: clients that lost their relay together reconnect spread out. */
  _retry(reason) {
    const { backoffBaseMs, backoffMaxMs, random } = this._o;
    const named = /\bretry-after=(\d+)/.exec(reason); // the least delay in seconds
    const leastMs = named ? Math.min(named[1], NAMED_MAX_S) * 1000 : 0;
    const most = Math.min(backoffMaxMs, backoffBaseMs * 2 ** this._attempt);
    const delayMs = Math.round(leastMs + random() * most);
    this._attempt += 1;
    this._notBefore = Date.now() + leastMs;
    this._retryAt = Date.now() + delayMs;
    this._after(delayMs, '_dial');
    this._emit('reconnecting', { attempt: this._attempt, delayMs });
  }

  /** The page is visible again, or the network is back. */
  _wake() {
    const { heartbeat, pingIntervalMs, pongTimeoutMs, random } = this._o;
    if (this._timers._dial) {
      const at = Math.max(Date.now(), this._notBefore) + random() * WAKE_JITTER_MS;
      if (at >= this._retryAt) return; // never later than it was
      this._retryAt = at;
      this._after(at - Date.now(), '_dial');
    } else if (this.state === 'open' && heartbeat && Date.now() - this._heardAt >= pingIntervalMs) {
      this._ask(Math.min(pongTimeoutMs, WAKE_PONG_MS)); // timers slept
    }
  }

  _give(wire) {
    try {
      this._socket.send(wire);
    } catch (error) {
      this._fault(error, wire);
    }
  }

  /** Sends queued messages until the socket is full. */
  _flush() {
    const socket = this._socket;
    while (this._queue.length && this.state === 'open') {
      if (socket.readyState > 1) return; // closing: it would drop them
      const { wire, size } = this._queue[0];
      if (socket.bufferedAmount > 0 && socket.bufferedAmount + size > this._o.queueBytes) {
        return this._after(100, '_flush'); // there is no event for it
      }
      this._queue.shift();
      this._queued -= size;
      this._give(wire);
    }
  }

  _end(code, reason, last) {
    this._leave(last, reason);
    this._sleep();
    this.state = 'closed';
    this._settle[1](new Error(`closed: ${code} ${reason}`));
    const dropped = this._queue.splice(0).length;
    setTimeout(() => {
      if (dropped) this._emit('gap', { dropped, awayMs: 0 });
      this._emit('close', { code, reason, willReconnect: false });
    }, 0);
  }
}

const clock = () => (typeof performance === 'object' ? performance : Date).now();

function listeners() {
  let all = [];
  const off = (event, listener) => {
    all = all.filter((each) => each.event !== event || each.listener !== listener);
  };
  const on = (event, listener, once) => {
    off(event, listener);
    all = [...all, { event, listener, once }];
    return () => off(event, listener);
  };
  const emit = (event, detail, self) => {
    for (const { listener, once } of all.filter((each) => each.event === event)) {
      if (once) off(event, listener);
      safely(listener, detail, self);
    }
  };
  return { on, off, emit };
}

function safely(listener, detail, self) {
  try {
    listener.call(self, detail);
  } catch (error) {
    setTimeout(() => { throw error; }, 0); // a listener's fault, reported alone
  }
}

/** A copy of binary data, whose owner may change it. */
function bufferOf(data) {
  const { buffer = data, byteOffset = 0, byteLength } = data ?? {};
  if (!(byteLength >= 0 && buffer.slice)) return null; // instanceof fails for other realms
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

/** Closes a socket, without a code at once; never throws. */
function dismiss(socket, code, reason = '') {
  try {
    // Only `ws` has it, and would wait 30 s.
    if (!code && socket.terminate) return socket.terminate();
    const isOurs = /^(1000|[34]\d{3})$/.test(code); // a client may send no others
    socket.close(isOurs ? code : 1000, String(reason).slice(0, 41)); // 123 bytes at most
  } catch { /* there is none, or it is closed */ }
}

/** It may not be on a global object. */
function miniProgram() {
  /* global wx, uni, tt, my */
  return [typeof wx === 'object' && wx, typeof uni === 'object' && uni,
    typeof tt === 'object' && tt, typeof my === 'object' && my].find((app) => app?.connectSocket);
}

/** Wakes when the page is visible or the network is back; returns a function that stops it. */
function onWake(wake) {
  const page = typeof self === 'object' ? self : {};
  const app = miniProgram() ?? {};
  const work = (news) => {
    if (news?.isConnected !== false && page.document?.visibilityState !== 'hidden') wake();
  };
  const hook = (verb, on) => {
    page[`${verb}EventListener`]?.('online', work);
    page.document?.[`${verb}EventListener`]?.('visibilitychange', work);
    app[`${on}AppShow`]?.(work);
    app[`${on}NetworkStatusChange`]?.(work);
  };
  hook('add', 'on');
  return () => hook('remove', 'off');
}

const SETTLE_MS = 500; // for the platform's own close, which may never come

/** WebSocket on a mini-program's SocketTask, for other libraries too. */
export class WxSocket {
  constructor(url, protocols = [], options) {
    const app = miniProgram();
    const { on, off, emit } = listeners();
    Object.assign(this, { url, protocol: '', extensions: '', readyState: 0, bufferedAmount: 0,
      binaryType: 'arraybuffer', onopen: null, onmessage: null, onerror: null, onclose: null,
      addEventListener: (type, listener, how) => { on(type, listener, how?.once); },
      removeEventListener: off, _emit: emit });
    const fail = (cause) => setTimeout(() => this._fail(cause), 0); // listeners come later
    const wanted = [].concat(protocols);
    try {
      const task = this._task = app.connectSocket({ ...options, url, fail, success() {},
        multiple: true, // Alipay's name for "a task of its own"
        ...(wanted.length ? { protocols: wanted } : {}) });
      task.onOpen((answer) => this._open(answer));
      task.onMessage((message) => this._message(message, app));
      task.onError((cause) => this._fail(cause));
      task.onClose(({ code = 1006, reason = '' } = {}) => this._finish(code, reason));
    } catch (error) {
      fail({ errMsg: error.message });
    }
  }

  send(data) {
    if (this.readyState < 1) throw new Error('the socket is not open');
    if (this.readyState > 1) return; // as browsers do
    this._task.send({ data: bufferOf(data) ?? String(data), fail: (cause) => this._fail(cause) });
  }

  close(code = 1000, reason = '') {
    if (this.readyState > 1) return;
    this.readyState = 2;
    this._leave(code, reason);
    setTimeout(() => this._finish(code, reason), SETTLE_MS);
  }

  _leave(code = 1000, reason) {
    const close = (...last) => this._task.close({ code: last[0], reason: last[1], fail() {} });
    dismiss({ close }, code, reason);
  }

  _open(answer) {
    if (this.readyState > 1) return this._leave(); // it could not leave before
    for (const [name, value] of Object.entries(answer?.header ?? {})) {
      const [, own] = /^sec-websocket-(protocol|extensions)$/i.exec(name) ?? [];
      if (own) this[own.toLowerCase()] = value;
    }
    this.readyState = 1;
    this._tell('open');
  }

  _message(message, app) {
    if (this.readyState !== 1) return;
    const { data, isBuffer } = message.data?.data === undefined ? message : message.data; // Alipay
    this._tell('message', { data: isBuffer && data.trim ? app.base64ToArrayBuffer(data) : data });
  }

  _fail({ errMsg: message = '' } = {}) {
    if (this.readyState > 2) return;
    this._tell('error', { message });
    setTimeout(() => this._finish(1006, message), SETTLE_MS);
  }

  /** One close event for the platform's, in any order. */
  _finish(code, reason) {
    if (this.readyState > 2) return;
    this.readyState = 3;
    this._leave();
    this._tell('close', { code, reason, wasClean: code !== 1006 && reason !== 'interrupted' });
  }

  _tell(type, detail) {
    const event = new WxEvent(type, { ...detail, target: this });
    if (this[`on${type}`]) safely(this[`on${type}`], event, this);
    this._emit(type, event, this);
  }
}

/** Some libraries copy events by their constructor. */
class WxEvent {
  constructor(type, detail) { Object.assign(this, detail, { type }); }
}
for (const [number, name] of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].entries()) {
  WxSocket[name] = WxSocket.prototype[name] = number;
}
