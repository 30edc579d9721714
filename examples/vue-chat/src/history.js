// What this browser saw in a room, kept in localStorage: the relay itself keeps nothing. A few
// hundred lines of text need no database.

export const MESSAGES_MAX = 200; // in a room
const ROOMS_MAX = 12; // with 200 long messages each, about half of what localStorage holds
const PREFIX = 'fanfare-chat:room:';
const INDEX = 'fanfare-chat:rooms';

/** The messages of a room, oldest first. */
export function readHistory(place, storage = localStorage) {
  return list(storage, PREFIX + place).filter(isMessage).slice(-MESSAGES_MAX).map((message) => ({
    ...message,
    // What had not left when the page went away never will.
    status: message.status === 'waiting' ? 'lost' : message.status,
  }));
}

/** Keeps a room's newest messages; the rooms that were seen longest ago are forgotten. */
export function writeHistory(place, messages, storage = localStorage) {
  const rooms = [place, ...list(storage, INDEX).filter((other) => other !== place)];
  const text = JSON.stringify(messages.slice(-MESSAGES_MAX));
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

function list(storage, key) {
  try {
    const value = JSON.parse(storage.getItem(key));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

const isMessage = (value) => ['id', 'nick', 'text'].every((key) => typeof value?.[key] === 'string')
  && Number.isFinite(value.at);
