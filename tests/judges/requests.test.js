// The requests of gunicorn's own tests, as the relay reads them: a list of what servers were found to
// understand in different ways, kept up to date by others.
//
// JUDGES_REQUESTS names the folder of gunicorn's source distribution, JUDGES_PYTHON a Python.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { HOST } from '../../clients/js/test/own.js';
import { startRelay } from '../../clients/js/test/relay.js';
import { Client } from '../interop/client.js';

const script = new URL('list.py', import.meta.url).pathname;
const list = JSON.parse(execFileSync(process.env.JUDGES_PYTHON ?? 'python3',
  [script, process.env.JUDGES_REQUESTS], { maxBuffer: 1 << 26 }));
const LINE = /^(?<method>[^ \r\n]+) [^\r\n]* HTTP\/(?<version>1\.[01])\r\n/;
// What tells that a request is understood: a message, an answer about a room, and how to connect.
const UNDERSTOOD = [200, 204, 426];

const sizes = 'how long a head or a line of it may be is each server\'s own rule';
const underscores = 'a name with `_` is another name: only CGI confuses it with one with `-`';
const trailers = 'trailer fields are read and ignored, whatever their names (RFC 9110, section 6.5.1)';
// What gunicorn refuses and the relay need not.
const TAKEN = {
  'invalid/007': sizes,
  'invalid/008': sizes,
  'invalid/010': sizes,
  'invalid/011': sizes,
  'invalid/012': sizes,
  'invalid/017': sizes,
  'invalid/limit_header_default_01': sizes,
  'invalid/019': 'no field here says which scheme the client used',
  'invalid/040': underscores,
  'invalid/chunked_07': underscores,
  'invalid/041': 'a GET needs no media type; as a POST it is refused',
  'invalid/rfc9110_trailer_forbidden_cl_01': trailers,
  'invalid/rfc9110_trailer_forbidden_host_01': trailers,
  'invalid/rfc9110_trailer_forbidden_te_01': trailers,
  'invalid/rfc9112_leading_crlf_02': 'empty lines in front of a request are ignored (RFC 9112, section 2.2)',
  'invalid/rfc9112_target_non_ascii_02': 'the name of a room may be written in UTF-8',
};

const coding = [501, 'no transfer coding except `chunked` is supported'];
const folded = [400, 'a line that continues the one before is refused (RFC 9112, section 5.2)'];
const proxy = [400, 'no PROXY header is expected at this listener'];
// What gunicorn takes and the relay refuses.
const REFUSED = {
  'valid/025': coding,
  'valid/025_line': coding,
  'valid/029': coding,
  'valid/030': coding,
  'valid/rfc9112_smuggle_gzip_chunked_01': coding,
  'valid/rfc9112_smuggle_te_identity_chunked_01': coding,
  'valid/028': [400, 'no space may stand in front of the colon (RFC 9112, section 5.1); this is an option there'],
  'valid/099': [415, 'a form of several parts is no message'],
  'valid/compat_obs_fold': folded,
  'valid/compat_obs_fold_huge': folded,
  'valid/pp_01': proxy,
  'valid/pp_02': proxy,
  'valid/pp_04': proxy,
  'valid/pp_05': proxy,
};

let relay;
before(async () => { relay = await startRelay(['--admin', 'none']); });
after(() => relay.stop('SIGKILL'));

/** The status codes of the answers to these bytes, behind which no more come. */
function ask(bytes) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port: relay.port, allowHalfOpen: true });
    let answers = '';
    socket.setEncoding('latin1').on('data', (text) => { answers += text; }).on('error', reject);
    socket.on('end', () => {
      socket.destroy();
      resolve([...answers.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status)));
    });
    socket.end(bytes, 'latin1');
  });
}

const publish = (text) => fetch(`${relay.http}/news`, { method: 'POST', body: text });

/** A request with a `Host`, if it has none; `line` stands in the place of its own first line. */
function repaired(text, [own], line = own) {
  const rest = text.slice(own.length);
  const host = /^host:/im.test(rest) ? '' : 'Host: h\r\n';
  return `${line}${host}${rest}`;
}

/** The request as it is, with a host, and as one that publishes. */
function forms(text) {
  const line = LINE.exec(text);
  if (!line) return { 'as it is': text };
  const post = `POST /news HTTP/${line.groups.version}\r\n`;
  return { 'as it is': text, 'with a host': repaired(text, line), 'as a POST': repaired(text, line, post) };
}

const isOfLine = (error = '') => /^(InvalidRequest|InvalidHTTPVersion|LimitRequestLine)/.test(error);

for (const { name, bytes, error, bodies } of list) {
  const text = Buffer.from(bytes, 'base64').toString('latin1');
  test(`${name}${error ? `: ${error}` : ''}${TAKEN[name] ? `, taken: ${TAKEN[name]}` : ''}`, async (t) => {
    const member = await Client.join(t, `${relay.url}/news`);
    const isTaken = [];
    for (const [form, sent] of Object.entries(forms(text))) {
      if (form === 'as a POST' && isOfLine(error)) continue; // the line that publishes is a good one
      const statuses = await ask(sent);
      const isUnderstood = statuses.some((status) => UNDERSTOOD.includes(status));
      if (error && TAKEN[name]) isTaken.push(isUnderstood);
      else if (error) assert.equal(isUnderstood, false, `${form}: ${statuses}`);
      if (form !== 'as a POST') continue;
      const refusal = REFUSED[name];
      if (!error) assert.equal(statuses[0], refusal ? refusal[0] : 200, refusal?.[1]);
      if (statuses[0] !== 200) continue;
      const message = Buffer.from(await member.next());
      if (!error) assert.deepEqual(message, Buffer.from(bodies[0], 'base64'));
    }
    if (TAKEN[name]) assert.ok(isTaken.includes(true), 'it is refused today: take it from the list');
    // Nothing else was published.
    await publish(name);
    assert.equal(await member.next(), name);
  });
}

test('the list has as many requests as when it was looked at', () => {
  const invalid = list.filter(({ error }) => error).length;
  assert.deepEqual([invalid, list.length - invalid], [81, 62]);
  for (const name of [...Object.keys(TAKEN), ...Object.keys(REFUSED)]) {
    assert.ok(list.some((one) => one.name === name), name);
  }
});
