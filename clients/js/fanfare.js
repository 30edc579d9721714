// A room of a WebSocket relay that reconnects by itself: browsers, mini-programs, Node.
export { mayRetry } from './src/backoff.js';
export { connect } from './src/room.js';
export { WxSocket } from './src/wx-socket.js';
