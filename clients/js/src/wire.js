// The wire of the subprotocol fanfare.v1, which docs/protocol.md specifies.

export const V1 = 'fanfare.v1';
const BEGIN_MAX = 21; // a sequence of 64 bits and its line feed

/** A message with its tag in front. */
export function tagged(tag, payload) {
  if (typeof payload === 'string') return `${tag}\n${payload}`;
  const begin = [...`${tag}\n`].map((letter) => letter.charCodeAt(0));
  const bytes = new Uint8Array(begin.length + payload.byteLength);
  bytes.set(begin);
  bytes.set(new Uint8Array(payload), begin.length);
  return bytes.buffer;
}

/** What came: `{ sequence, payload }`, a `{ notice }` of the relay itself, or neither. */
export function parse(data) {
  const isText = typeof data === 'string';
  if (!isText && !data?.byteLength) return {};
  const begin = isText ? data.slice(0, BEGIN_MAX)
    : String.fromCharCode(...new Uint8Array(data, 0, Math.min(BEGIN_MAX, data.byteLength)));
  const [line, digits] = /^(\d*)\n/.exec(begin) ?? [];
  if (digits) return { sequence: Number(digits), payload: data.slice(line.length) };
  try {
    return { notice: line ? JSON.parse(data) : null };
  } catch {
    return {}; // a later relay says it in another way
  }
}

/** An id `SEQUENCE:EPOCH` as its two parts. */
export function partsOf(id) {
  const [sequence, epoch] = String(id).split(':');
  return { sequence: Number(sequence), epoch };
}
