// A room: one connection at a time, and what its program is told of it.
import { ask, offers, withQuery } from './address.js';
import { Backoff, mayRetry } from './backoff.js';
import { bufferOf } from './bytes.js';
import { Heartbeat } from './heartbeat.js';
import { Inbox } from './inbox.js';
import { listeners } from './listeners.js';
import { Outbox } from './outbox.js';
import { dismiss, miniProgram, onWake } from './platform.js';
import { Timers } from './timers.js';
import { parse, tagged, V1 } from './wire.js';
import { WxSocket } from './wx-socket.js';

const DEFAULTS = {
  pingIntervalMs: 25000, // proxies cut silence after 60 s
  pongTimeoutMs: 10000,
  openTimeoutMs: 15000, // bad networks
  backoffBaseMs: 500,
  backoffMaxMs: 20000,
  stableMs: 5000, // then the backoff is reset
  maxAttempts: Infinity,
  queueMessages: 100,
  queueBytes: 256 * 1024, // offline, and also inside the socket
  random: Math.random,
};
const HELD_MS = 2000; // a user waits for what was said meanwhile
const HELLO_MS = 2000; // some mini-programs do not tell the subprotocol: the relay's hello does

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
    const { on, once, off, emit } = listeners(this);
    Object.assign(this, { url, on, once, off, _emit: emit, state: 'connecting', protocol: '',
      connection: null, _timers: new Timers(), _backoff: new Backoff(o), _outbox: new Outbox(o) });
    this._inbox = new Inbox((payload, id) => this._deliver(payload, id),
      () => this._gap({ missed: true }), o.lastEventId);
    this._heartbeat = new Heartbeat(o, (word) => this._give(word),
      () => this._lost(1006, 'no pong'));
    this._renew();
    this._sleep = onWake(() => this._wake());
    this._dial();
  }

  get id() { return this._inbox.id; }

  ping() { if (this.state === 'open') this._heartbeat.ask(); }

  close(code = 1000, reason = '') { if (this.state !== 'closed') this._end(code, reason, code); }

  send(data) { return this._put(data); }

  publish(data) {
    return new Promise((resolve, reject) => { this._put(data, { resolve, reject }); });
  }

  /** Whether it was sent, or is queued. */
  _put(data, settle) {
    const binary = bufferOf(data);
    const wire = binary ?? (this._o.json ? JSON.stringify(data) : data);
    if (!binary && typeof wire !== 'string') throw new TypeError('neither text nor binary');
    if (this.state === 'closed') return settle?.reject(failure('closed')) ?? false;
    // Not ASCII: three bytes at most.
    const size = binary?.byteLength ?? wire.replace(/[^\0-\x7f]/g, '...').length;
    const message = this._outbox.add(wire, size, settle);
    this._flush();
    const dropped = this._outbox.trim(message);
    this._drop(dropped, 'dropped');
    return !dropped.includes(message);
  }

  /** Tells of messages that will not be sent: each by its promise, all by a gap. */
  _drop(messages, code) {
    messages.forEach(({ settle }) => settle?.reject(failure(code)));
    if (messages.length) this._gap({ dropped: messages.length });
  }

  _gap(detail) { this._emit('gap', { dropped: 0, awayMs: 0, missed: false, ...detail }); }

  _fault({ message = 'socket error' }, data) { this._emit('error', { message, data }); }

  _renew() {
    this.ready = new Promise((...both) => { this._settle = both; });
    this.ready.catch(() => {}); // it may be unused
  }

  _leave(code, reason) {
    this._timers.stopAll();
    this._heartbeat.end();
    this._inbox.lose();
    const socket = this._socket;
    this._socket = null;
    dismiss(socket, code, reason);
    if (this.state === 'open') this._renew();
  }

  _dial() {
    const { url, _o: { openTimeoutMs, token } } = this;
    this._timers.start('open', openTimeoutMs, () => this._lost(1006, 'no answer'));
    if (!this._mustAsk()) {
      this._connect(url, token);
      return;
    }
    const own = this._socket = {}; // in the place of the one that will be made
    Promise.all([url, token].map(ask)).then(this._only(own, (all) => this._connect(...all)))
      .catch(this._only(own, (error) => this._noAddress(error)));
  }

  /** Work for one socket: what comes of others comes too late. */
  _only(own, work) { return (event) => { if (this._socket === own) work(event ?? {}); }; }

  _mustAsk() { return [this.url, this._o.token].some((value) => typeof value === 'function'); }

  /** There is no address to connect to. */
  _noAddress(error) {
    setTimeout(() => this._fault(error), 0); // listeners come later
    if (this._mustAsk()) this._lost(1006, 'no address'); // the next may be one
    else this._end(1006, 'no socket'); // the address stays invalid
  }

  _connect(url, token) {
    const o = this._o;
    let own;
    try {
      own = new o.WebSocket(this._address(url), offers(o, token), o.socketOptions);
    } catch (error) {
      this._noAddress(error);
      return;
    }
    this._socket = own; // one at most
    own.binaryType = 'arraybuffer';
    own.onopen = this._only(own, () => this._begin(own.protocol));
    own.onmessage = this._only(own, ({ data }) => this._hear(data));
    own.onerror = this._only(own, (event) => this._fault(event));
    own.onclose = this._only(own, ({ code = 1006, reason = '', wasClean }) => {
      this._lost(code, reason, wasClean);
    });
  }

  /** The address, with where to go on. */
  _address(url) {
    let address = url;
    if (typeof url !== 'string') throw new TypeError('the address is not text');
    if (this.id) address = withQuery(address, 'last_event_id', this.id);
    else if (this._o.last && !this._hasBegun) address = withQuery(address, 'last', this._o.last);
    return this._plain ? withQuery(address, 'deflate', 'off') : address;
  }

  /** The socket is open, or the first message says what is spoken there. */
  _begin(protocol) {
    if (!protocol && !this._o.raw) {
      return this._timers.start('open', HELLO_MS, () => this._begin('fanfare'));
    }
    this._timers.stop('open');
    this.protocol = protocol;
    const isV1 = protocol === V1;
    this._awayMs = this._openedAt ? Math.max(1, Date.now() - this._lostAt) : 0;
    this.state = 'open';
    this._openedAt = Date.now();
    this._heartbeat.begin();
    const late = this._outbox.repeat(isV1);
    if (!isV1) this._inbox.forget(); // it has no ids
    else if (this._outbox.isRepeating) {
      this._inbox.hold();
      this._timers.start('held', HELD_MS, () => this._inbox.release());
    }
    this._flush();
    this._settle[0]();
    this._emit('open');
    this._drop(late, 'unanswered');
    if (!isV1 && this._socket) this._arrived();
    return undefined;
  }

  /** Where the following messages begin is known: right behind the last one, or somewhere else. */
  _arrived(isGap = this._hasBegun) {
    this._hasBegun = true;
    if (isGap) this._gap({ awayMs: this._awayMs, missed: true });
  }

  _hear(data) {
    if (this.state !== 'open') this._begin(/^\n\{"type":"hello"/.test(data) ? V1 : 'fanfare');
    if (!this._socket) return; // a listener has closed the room
    const roundTripMs = this._heartbeat.hear(data);
    if (roundTripMs !== null) this._emit('pong', { roundTripMs });
    else if (this.protocol === V1) this._sort(parse(data));
    else this._deliver(data, null);
  }

  /** What came by fanfare.v1; a later relay may say more. */
  _sort(told) {
    const type = told.notice?.type;
    if (type === 'hello') this._greeted(told.notice);
    else if (/^(ok|error)$/.test(type)) this._answered(told.notice);
    else if (told.payload !== undefined || /^(gap|epoch)$/.test(type)) this._inbox.take(told);
  }

  _greeted({ connection, id, resumed, gap }) {
    this.connection = connection;
    this._inbox.begin(id);
    this._arrived(gap || (!resumed && this._hasBegun));
  }

  /** The relay answers a tag. */
  _answered({ type, tag, id, error, message }) {
    const own = this._outbox.answer(tag);
    if (type === 'ok') {
      this._inbox.publish(id, Boolean(own?.isRepeated));
      own?.settle?.resolve(id);
    } else if (own?.settle) own.settle.reject(failure(error, message));
    else this._fault({ message }, own?.wire);
    if (!this._outbox.isRepeating) this._inbox.release();
    this._flush();
  }

  _deliver(payload, id) {
    let value = payload;
    try {
      if (this._o.json && typeof payload === 'string') value = JSON.parse(payload.trim()); // cuts a BOM
    } catch (error) {
      return this._fault(error, payload);
    }
    return this._emit('message', value, id);
  }

  _lost(code, reason, wasClean) {
    if (this.state === 'open') {
      if (Date.now() - this._openedAt >= this._o.stableMs) this._backoff.attempt = 0;
      this._lostAt = wasClean ? Date.now() : this._heartbeat.heardAt;
    }
    // Safari 15 and others compress in a way that no relay can read.
    if (code === 1007 && !this._plain && this._socket.extensions) this._plain = true;
    else if (!this._mayRetry(code, reason)) return this._end(code, reason);
    this._leave();
    const isNews = this.state !== 'reconnecting';
    this.state = 'reconnecting';
    if (isNews) this._emit('close', { code, reason, willReconnect: true });
    if (this.state !== 'reconnecting') return undefined; // a listener has closed the room
    const delayMs = this._backoff.next(reason);
    this._dialIn(delayMs);
    return this._emit('reconnecting', { attempt: this._backoff.attempt, delayMs });
  }

  _mayRetry(code, reason) {
    const { maxAttempts, shouldRetry } = this._o;
    if (this._backoff.attempt >= maxAttempts) return false;
    try {
      if (shouldRetry) return shouldRetry(code, reason);
    } catch (error) {
      this._fault(error);
    }
    return mayRetry(code, reason) || (code === 4401 && this._mustAsk()); // for another token
  }

  /** The page is visible again, or the network is back. */
  _wake() {
    if (this.state === 'open') this._heartbeat.wake();
    if (this._timers.has('dial')) this._dialIn(this._backoff.sooner());
  }

  _dialIn(delayMs) { this._timers.start('dial', delayMs, () => this._dial()); }

  _give(wire, data = wire) {
    try {
      this._socket.send(wire);
    } catch (error) {
      this._fault(error, data);
    }
  }

  /** Sends messages until the socket is full. */
  _flush() {
    const isV1 = this.protocol === V1;
    for (;;) {
      const message = this.state === 'open' && this._outbox.next();
      const socket = this._socket;
      if (!message || socket.readyState > 1) return; // closing: it would drop them
      const { wire, tag, size, settle } = message;
      if (socket.bufferedAmount > 0 && socket.bufferedAmount + size > this._o.queueBytes) {
        this._timers.start('flush', 100, () => this._flush()); // there is no event for it
        return;
      }
      this._outbox.shift(isV1);
      this._give(isV1 ? tagged(tag, wire) : wire, wire);
      if (!isV1) settle?.resolve(null);
    }
  }

  _end(code, reason, last) {
    this._leave(last, reason);
    this._sleep();
    this.state = 'closed';
    this._settle[1](new Error(`closed: ${code} ${reason}`));
    const { queued, unanswered } = this._outbox.clear();
    unanswered.forEach(({ settle }) => settle?.reject(failure('unanswered')));
    setTimeout(() => {
      this._drop(queued, 'closed');
      this._emit('close', { code, reason, willReconnect: false });
    }, 0);
  }
}

const FAILURES = {
  closed: 'the room is closed',
  dropped: 'too many messages wait',
  unanswered: 'it may have been published',
};

/** An error with a word that programs can compare. */
const failure = (code, message = FAILURES[code]) => Object.assign(new Error(message), { code });
