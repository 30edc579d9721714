// The address of a room at the relay. Mini-programs have no `URL` and no `TextEncoder`.

const NAME_BYTES_MAX = 255; // a room's name, as the relay counts it

/** What to connect to; null if there can be no such room. */
function roomAddress(relay, room) {
  const parts = room.split('/');
  // An address knows no such parts: `/a/../b` is `/b`. And `_/` is the relay's own.
  if (parts.some((part) => part === '.' || part === '..') || room.startsWith('_/')) return null;
  let path;
  try {
    path = parts.map(encodeURIComponent).join('/');
  } catch (error) {
    return null; // half a character
  }
  if (path.replace(/%../g, '%').length > NAME_BYTES_MAX) return null;
  return `${relay.replace(/\/$/, '')}/${path}`;
}

module.exports = { roomAddress };
