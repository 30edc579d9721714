// A message of the chat: JSON text `{ id, nick, text, at }`. Every member may send
// anything, so whatever comes is made to fit before it is shown.

export const TEXT_MAX = 2000; // characters; as JSON far below the relay's 64 KiB
export const NICK_MAX = 24;
const ID_MAX = 64; // a UUID has 36

let strangers = 0;

/** A message of our own. */
export function write(nick, text) {
  return { id: newId(), nick, text, at: Date.now() };
}

/** The text that goes over the wire. */
export const encode = ({ id, nick, text, at }) => JSON.stringify({ id, nick, text, at });

/** What came over the wire, as a message. */
export function decode(data) {
  if (typeof data !== 'string') return stranger(`(${data.byteLength} bytes)`);
  let value = parse(data);
  if (typeof value === 'string') value = parse(value); // a relay with --json wraps it once more
  if (typeof value === 'string') return stranger(value);
  const isOurs = typeof value?.id === 'string' && value.id !== '' && value.id.length <= ID_MAX
    && typeof value.nick === 'string' && typeof value.text === 'string';
  if (!isOurs) return stranger(data);
  // A clock that is wrong is not believed: it would put "tomorrow" on the page.
  const at = value.at > 0 ? Math.min(value.at, Date.now()) : Date.now();
  return { id: value.id, nick: cut(value.nick.trim(), NICK_MAX), text: cut(value.text), at };
}

/** What is not from this chat: the PHP, Node or Python example, say. */
function stranger(text) {
  strangers += 1;
  return { id: `stranger-${strangers}-${newId()}`, nick: '', text: cut(text), at: Date.now() };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function cut(text, charactersMax = TEXT_MAX) {
  if (text.length <= charactersMax) return text;
  return `${text.slice(0, charactersMax).toWellFormed()}…`;
}

function newId() {
  // `randomUUID` is only there on https and localhost; a chat is tried in a local network first.
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
