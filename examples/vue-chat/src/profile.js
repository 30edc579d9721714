// What this browser remembers of its user: the nickname and the language.

const PREFIX = 'fanfare-chat:';

export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // cookies are forbidden here, and localStorage with them
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch { /* then it is asked again next time */ }
}
