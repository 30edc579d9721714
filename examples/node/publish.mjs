// Publishes what web requests say: node publish.mjs [PORT]
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const relay = process.env.FANFARE_URL ?? 'http://127.0.0.1:2046';
const secret = process.env.FANFARE_SECRET; // that of the relay's --token-key secret:PATH, if it has one

/** A token for a minute in one room. */
function token(user, room) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, hear: [room], speak: [room], exp: Math.floor(Date.now() / 1000) + 60 };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Publishes a message, once; `except` is the connection that does not get it. */
export async function publish(user, room, message, { except, key = randomUUID() } = {}) {
  const query = except ? `?except=${encodeURIComponent(except)}` : '';
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Idempotency-Key': key };
  if (secret) headers.Authorization = `Bearer ${token(user, room)}`;
  for (let left = 3; ; left -= 1) { // fetch keeps its connections
    const signal = AbortSignal.timeout(5000);
    const answer = await fetch(`${relay}/${encodeURIComponent(room)}${query}`,
      { method: 'POST', headers, body: message, signal }).catch((error) => error);
    if (answer.ok) return answer.json();
    const mayRepeat = answer instanceof Error || [429, 502, 503, 504].includes(answer.status);
    if (!mayRepeat || left === 1) throw new Error(answer.status ? await answer.text() : answer.message);
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    const form = new URLSearchParams(body); // and the signed-in user, from your session
    const [except, key] = [form.get('connection') ?? undefined, form.get('key') ?? undefined];
    const said = await publish('ana', 'news', form.get('text') ?? '', { except, key })
      .then((published) => [200, published], (error) => [502, { error: error.message }]);
    response.writeHead(said[0], { 'Content-Type': 'application/json' }).end(JSON.stringify(said[1]));
  });
  server.listen(Number(process.argv[2] ?? 8000), '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}`);
  });
}
