// WebSocket on a mini-program's SocketTask, for other libraries too.
import { bufferOf } from './bytes.js';
import { dismiss, miniProgram } from './platform.js';
import { SocketShape } from './shape.js';

const SETTLE_MS = 500; // for the platform's own close, which may never come

export class WxSocket extends SocketShape {
  constructor(url, protocols = [], options) {
    super(url);
    const app = miniProgram();
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
}
