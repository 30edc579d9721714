// A network that can be cut: a TCP proxy.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { HOST } from './own.js';

/** Starts a proxy for the relay, which ends with the test; `cut` ends all its connections. */
export async function startCuttable(t, relay) {
  const open = new Set();
  const server = createServer((client) => {
    const upstream = connect(relay.port, HOST);
    for (const end of [client, upstream]) {
      open.add(end);
      end.on('error', () => {}).on('close', () => { client.destroy(); upstream.destroy(); open.delete(end); });
    }
    client.pipe(upstream).pipe(client);
  });
  const cut = () => { for (const end of open) end.destroy(); };
  t.after(() => { server.close(); cut(); });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const place = `127.0.0.1:${server.address().port}`;
  return { http: `http://${place}`, url: `ws://${place}`, cut };
}
