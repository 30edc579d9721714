// A relay that makes listening hard: a byte at a time, with a ping in the middle of everything.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CLOSE = 0x88;

const frame = (opcode, payload) => {
  const bytes = Buffer.from(payload);
  const head = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), bytes]);
};

/** The payload of a client's frame, if it is complete and masked, and the rest. */
function unmask(bytes) {
  if (bytes.length < 6 || bytes.length < 6 + (bytes[1] & 0x7f)) return null;
  const [mask, end] = [bytes.subarray(2, 6), 6 + (bytes[1] & 0x7f)];
  const payload = Buffer.from(bytes.subarray(6, end)).map((byte, i) => byte ^ mask[i % 4]);
  return { first: bytes[0], isMasked: bytes[1] >= 0x80, payload, rest: bytes.subarray(end) };
}

/** Listens for one client and sends `texts` to it; gives the address and what the client sends. */
export function stubborn(t, texts) {
  const frames = [];
  const server = createServer({ noDelay: true }, (socket) => {
    let head = '';
    let left = Buffer.alloc(0);
    socket.on('error', () => {}); // the client may be gone before the last byte
    socket.on('data', async (bytes) => {
      if (!head.endsWith('\r\n\r\n')) {
        head += bytes.toString('latin1');
        if (head.endsWith('\r\n\r\n')) await speak(socket, head, texts);
        return;
      }
      left = Buffer.concat([left, bytes]);
      for (let said = unmask(left); said; said = unmask(left)) {
        frames.push(said);
        left = said.rest;
      }
      if (frames.at(-1)?.first === CLOSE) socket.end();
    });
  });
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ url: `ws://127.0.0.1:${server.address().port}/hard`, frames });
    });
  });
}

async function speak(socket, head, texts) {
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)[1];
  const accept = createHash('sha1').update(key + GUID).digest('base64');
  const answer = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n'
    + `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const frames = texts.map((text) => frame(1, text));
  frames.splice(1, 0, frame(9, 'are you there?'));
  frames.push(frame(8, Buffer.from([0x03, 0xe8, ...Buffer.from('bye')])));
  for (const byte of Buffer.concat([answer, ...frames])) {
    // Each byte is a write of its own, and the loop turns between them.
    await new Promise((resolve) => { socket.write(Buffer.from([byte]), resolve); });
  }
}
