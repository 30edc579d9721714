// The shape of WebSocket, for classes that other libraries take for one.
import { listeners, safely } from './listeners.js';

/** Some libraries copy events by their constructor. */
class ShapeEvent {
  constructor(type, detail) { Object.assign(this, detail, { type }); }
}

export class SocketShape {
  constructor(url) {
    const { on, once, off, emit } = listeners(this);
    Object.assign(this, { url, protocol: '', extensions: '', readyState: 0, bufferedAmount: 0,
      binaryType: 'arraybuffer', onopen: null, onmessage: null, onerror: null, onclose: null,
      addEventListener: (type, listener, how) => { (how?.once ? once : on)(type, listener); },
      removeEventListener: off, _emit: emit });
  }

  _tell(type, detail) {
    const event = new ShapeEvent(type, { ...detail, target: this });
    if (this[`on${type}`]) safely(this[`on${type}`], this, [event]);
    this._emit(type, event);
  }
}
for (const [number, name] of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].entries()) {
  SocketShape[name] = SocketShape.prototype[name] = number;
}
