// The shape of WebSocket on a room: for programs and libraries that make a `new WebSocket(url)`.
import { bufferOf } from './src/bytes.js';
import { connect } from './src/room.js';
import { SocketShape } from './src/shape.js';

/** A WebSocket that reconnects by itself, and goes on with the message behind the last one. */
export class RoomSocket extends SocketShape {
  constructor(url, protocols, options) {
    super(String(url));
    const room = this.room = connect(this.url, { ...options, protocols });
    // As a browser's socket has it; mini-programs have no Blob.
    this.binaryType = typeof Blob === 'function' ? 'blob' : 'arraybuffer';
    Object.defineProperty(this, 'bufferedAmount', { get: () => room._outbox.queuedBytes });
    room.on('open', () => {
      Object.assign(this, { readyState: RoomSocket.OPEN, protocol: room.protocol });
      this._tell('open');
    });
    room.on('message', (data, lastEventId) => this._tell('message',
      { data: this._kindOf(data), lastEventId: lastEventId ?? '' }));
    room.on('gap', (detail) => this._tell('gap', { detail }));
    room.on('error', (detail) => this._tell('error', detail));
    room.on('close', ({ code, reason, willReconnect }) => {
      this.readyState = willReconnect ? RoomSocket.CONNECTING : RoomSocket.CLOSED;
      this._tell('close', { code, reason, wasClean: code !== 1006, willReconnect });
    });
  }

  /** Sends, or queues while there is no connection. */
  send(data) {
    const { CLOSING } = RoomSocket;
    if (this.readyState < CLOSING) this.room.send(bufferOf(data) ?? String(data));
  }

  close(code = 1000, reason = '') {
    if (this.readyState > RoomSocket.OPEN) return;
    this.readyState = RoomSocket.CLOSING;
    this.room.close(code, reason);
  }

  _kindOf(data) {
    return typeof data !== 'string' && this.binaryType === 'blob' ? new Blob([data]) : data;
  }
}
