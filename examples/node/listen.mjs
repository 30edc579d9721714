// Joins a room and prints what is said there: node listen.mjs ws://127.0.0.1:2046/news
import WebSocket from 'ws';

const room = new WebSocket(process.argv[2] ?? 'ws://127.0.0.1:2046/');
room.on('open', () => console.error(`listening to ${room.url}`));
room.on('message', (data, isBinary) => {
  console.log(isBinary ? `(${data.length} bytes)` : data.toString());
});
room.on('error', (error) => console.error(error.message)); // a close follows
room.on('close', (code, reason) => {
  console.error(`closed: ${code} ${reason}`);
  process.exitCode = code === 1000 ? 0 : 1;
});
process.once('SIGINT', () => room.close(1000));
