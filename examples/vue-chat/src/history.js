// What this browser saw in a room, kept in localStorage: the relay may keep less, or nothing. A few
// hundred lines of text need no database.

export const MESSAGES_MAX = 200; // in a room
const ROOMS_MAX = 12; // with 200 long messages each, about half of what localStorage holds
const PREFIX = 'fanfare-chat:room:';
const INDEX = 'fanfare-chat:rooms';

/** The messages of a room, oldest first. */
export function readHistory(place, storage = localStorage) {
  return list(stored(storage, PREFIX + place)?.messages).filter(isMessage).slice(-MESSAGES_MAX).map((message) => ({
    ...message,
    // What had not left when the page went away never will.
    status: message.status === 'waiting' ? 'lost' : message.status,
  }));
}

/** The relay's id of the newest of them, behind which the next visit begins; null without one. */
export function readId(place, storage = localStorage) {
  const id = stored(storage, PREFIX + place)?.id;
  return typeof id === 'string' ? id : null;
}

/** Keeps a room's newest messages; the rooms that were seen longest ago are forgotten. */
export function writeHistory(place, messages, id = null, storage = localStorage) {
  const rooms = [place, ...list(stored(storage, INDEX)).filter((other) => other !== place)];
  const text = JSON.stringify({ id, messages: messages.slice(-MESSAGES_MAX) });
  for (let kept = ROOMS_MAX; kept >= 1; kept = kept > 1 ? kept >> 1 : 0) {
    try {
      rooms.splice(kept).forEach((old) => storage.removeItem(PREFIX + old));
      storage.setItem(INDEX, JSON.stringify(rooms));
      storage.setItem(PREFIX + place, text);
      return true;
    } catch { /* it is full, or forbidden: with fewer rooms it may fit */ }
  }
  return false;
}

/** Forgets a room. */
export function clearHistory(place, storage = localStorage) {
  try {
    storage.removeItem(PREFIX + place);
  } catch { /* where nothing may be kept, nothing is to be forgotten */ }
}

function stored(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

const list = (value) => (Array.isArray(value) ? value : []);

const isMessage = (value) => ['id', 'nick', 'text'].every((key) => typeof value?.[key] === 'string')
  && Number.isFinite(value.at);
