// A broadcast server on Bun's own publish and subscribe: a peer for `compare`.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    const room = new URL(request.url).pathname;
    return server.upgrade(request, { data: { room } }) ? undefined : new Response('', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    open(socket) { socket.subscribe(socket.data.room); },
    message(socket, message) { socket.publish(socket.data.room, message); },
  },
});
console.log(`listens on 127.0.0.1:${server.port}`);
