// Two clients chat through the relay at ARGV[2]; exit code 0 when each received the other's message.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';

const { WebSocket } = createRequire(new URL('../proxies/', import.meta.url))('ws');
const url = process.argv[2];
const sockets = [new WebSocket(url), new WebSocket(url)];
await Promise.all(sockets.map((socket) => once(socket, 'open')));
const heard = once(sockets[1], 'message');
sockets[0].send('你好');
assert.equal((await heard)[0].toString(), '你好');
for (const socket of sockets) socket.terminate();
