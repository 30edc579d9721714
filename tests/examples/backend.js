// A backend of the examples, beside a relay that wants tokens.
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { startRelay } from '../../clients/js/test/relay.js';
import { HOST, ownPort } from '../../clients/js/test/own.js';
import { start } from './program.js';

export const SECRET = 'a secret of the examples, long enough to be one';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token by `secret`. */
export function token(claims, secret = SECRET) {
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A relay that believes tokens by the secret, keeps messages, and has an admin listener. */
export async function startKeyedRelay(flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-'));
  const file = join(folder, 'token.secret');
  writeFileSync(file, `${SECRET}\n`);
  const admin = `${HOST}:${ownPort()}`;
  const relay = await startRelay(['--token-key', `secret:${file}`, '--history-messages', '100',
    '--admin', admin, ...flags]);
  const stop = async () => { // how a relay ends is no matter here, and backends keep connections
    await relay.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  };
  const byUser = async (room, field) => {
    const { connections } = await (await fetch(`http://${admin}/connections`)).json();
    const there = connections.filter((one) => one.room === `/${room}`);
    return Object.fromEntries(there.map((one) => [one.user, one[field]]));
  };
  /** The public ids of the connections in a room, by their users. */
  const publicIds = (room) => byUser(room, 'public_id');
  /** The same, as the admin listener counts them. */
  const numbers = (room) => byUser(room, 'id');
  return { ...relay, stop, publicIds, numbers, admin: `http://${admin}` };
}

/** A member of a room: the texts that it hears, as they come. */
export async function member(t, relay, room, user) {
  const claims = { sub: user, hear: [room], speak: [] };
  const socket = new WebSocket(`${relay.url}/${room}?token=${token(claims)}`);
  t.after(() => socket.terminate());
  const messages = [];
  socket.on('message', (data) => messages.push(data.toString()));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return messages;
}

/** Starts a backend with these variables; gives its address when it listens. */
export async function startBackend(t, command, variables) {
  const program = start(t, command[0], command.slice(1), { ...process.env, ...variables });
  const place = /http:\/\/127\.0\.0\.1:\d+/;
  const said = await Promise.any(['out', 'err'].map((name) => program.until(name, (text) => place.test(text))));
  return said.match(place)[0];
}
