// A broadcast server on Node and `ws`, as its own examples write it: a peer for `compare`.
//
// With `deflate` as its argument it compresses for clients that offer that, as they offer it. Level
// and threshold are fanfare's (`ws` minds the threshold only without a context, fanfare an eighth of
// it with one); how many calls to zlib may run at a time is its own default, 10.
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(`${process.cwd()}/`)('ws');
const deflate = { threshold: 128, zlibDeflateOptions: { level: 6 } };
const perMessageDeflate = process.argv[2] === 'deflate' && deflate;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
const rooms = new Map();

server.on('listening', () => console.log(`listens on 127.0.0.1:${server.address().port}`));
server.on('connection', (socket, request) => {
  const room = rooms.get(request.url) ?? new Set();
  rooms.set(request.url, room.add(socket));
  socket.on('error', () => {});
  socket.on('close', () => room.delete(socket));
  socket.on('message', (data, binary) => {
    for (const other of room) if (other !== socket) other.send(data, { binary });
  });
});
