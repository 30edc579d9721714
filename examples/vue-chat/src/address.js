// Where the relay and its rooms are: what the page's own address says, made safe to connect to.

const RELAY = 'ws://127.0.0.1:2046'; // where a relay without flags listens
const NAME_BYTES_MAX = 255; // a room's name, as the relay counts it

/** What `?relay=…&heartbeat=ping=pong` says, with what holds if it says nothing. */
export function readQuery(search) {
  const query = new URLSearchParams(search);
  const [, word, answer] = /^([^=]+)=(.+)$/s.exec(query.get('heartbeat') ?? '') ?? [];
  return {
    relay: query.get('relay') || RELAY,
    // A relay without this pair would hand the word to everybody: it has to be asked for.
    heartbeat: word ? [word, answer] : null,
  };
}

/** The room that stands behind `#/`; empty if there is none. */
export function readRoom(hash) {
  try {
    return decodeURIComponent(hash.replace(/^#\/?/, ''));
  } catch {
    return ''; // a broken percent sign is nobody's room
  }
}

export const writeRoom = (room) => `#/${encodePath(room)}`;

/** What is wrong with a room's name, as a word of `words.js`; null if nothing is. */
export function roomFault(room) {
  // An address knows no such parts: `/a/../b` is `/b`.
  if (room.split('/').some((part) => part === '.' || part === '..')) return 'roomDots';
  if (room.startsWith('_/')) return 'roomReserved';
  if (!room.isWellFormed()) return 'roomBroken';
  if (new TextEncoder().encode(room).length > NAME_BYTES_MAX) return 'roomLong';
  return null;
}

/** The address to connect to; null if the relay's is none that a WebSocket takes. */
export function roomAddress(relay, room) {
  let address;
  try {
    address = new URL(relay);
  } catch {
    return null;
  }
  if (!['ws:', 'wss:'].includes(address.protocol)) return null;
  address.hash = ''; // a WebSocket's address has none
  address.pathname = `${address.pathname.replace(/\/$/, '')}/${encodePath(room)}`;
  return address.href;
}

const encodePath = (room) => room.split('/').map(encodeURIComponent).join('/');
