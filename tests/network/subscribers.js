// Two subscribers that notice silence, connect again and go on behind the last message that they received.
// `heard` has their messages and, as 'gap', what they were told to have missed.
import { spawn } from 'node:child_process';
import { WebSocket } from '../interop/client.js';
import { PLACE } from './network.js';

const PATIENCE_S = 3; // the relay sends something each second, see --ping-interval

class Subscriber {
  heard = [];
  attempts = 0;
  #isOver = false;

  constructor(t) {
    t.after(() => { this.#isOver = true; this.stop?.(); });
    this.#stay();
  }

  async #stay() {
    while (!this.#isOver) {
      this.attempts += 1;
      await this.connectOnce();
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }
}

/** `curl -N`, which sends the last id as a field. */
export class CurlSubscriber extends Subscriber {
  connectOnce() {
    const last = this.last ? ['-H', `Last-Event-ID: ${this.last}`] : [];
    const child = spawn('curl', ['-sN', '--connect-timeout', '2', '--speed-limit', '1', '--speed-time',
      String(PATIENCE_S), '-H', 'Accept: text/event-stream', ...last, `http://${PLACE}/news`]);
    this.stop = () => child.kill('SIGKILL');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => {
      const events = (text + more).split('\n\n');
      text = events.pop(); // one that is not complete is none
      for (const event of events) this.take(event);
    });
    return new Promise((resolve) => { child.on('close', resolve); });
  }

  take(event) {
    const { id, data, event: type } = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/)));
    if (id) this.last = id;
    if (type === 'gap') this.heard.push('gap');
    else if (data) this.heard.push(data);
  }
}

/** A WebSocket with fanfare.v1, which sends the last id in the query. */
export class SocketSubscriber extends Subscriber {
  connectOnce() {
    const query = this.last ? `?last_event_id=${this.last}` : '';
    const options = { handshakeTimeout: 2000 };
    const socket = new WebSocket(`ws://${PLACE}/news${query}`, ['fanfare.v1'], options);
    this.stop = () => socket.terminate();
    let silence;
    const hear = () => {
      clearTimeout(silence);
      silence = setTimeout(this.stop, PATIENCE_S * 1000);
    };
    socket.on('open', hear).on('ping', hear).on('error', () => {});
    socket.on('message', (message) => { hear(); this.take(message.toString()); });
    return new Promise((resolve) => {
      socket.on('close', () => { clearTimeout(silence); resolve(); });
    });
  }

  take(message) {
    const at = message.indexOf('\n');
    if (at > 0) {
      this.last = `${message.slice(0, at)}:${this.epoch}`;
      this.heard.push(message.slice(at + 1));
      return;
    }
    const { type, id, gap } = JSON.parse(message.slice(1));
    [, this.epoch] = id.split(':');
    this.last = id;
    if (type === 'gap' || gap) this.heard.push('gap');
  }
}
