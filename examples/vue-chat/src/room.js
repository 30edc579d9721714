// A room as the page sees it: its messages, its state, and what happened to them.

import { connect } from 'fanfare-client';
import { onScopeDispose, shallowReactive, shallowRef } from 'vue';
import { clearHistory, MESSAGES_MAX, readHistory, readId, writeHistory } from './history.js';
import { decode, encode, write } from './message.js';

const ENTRIES_MAX = 500; // on the page; more costs memory and is read by nobody
const SHOW_MS = 50; // what comes within it is shown together: a busy room must not freeze the page
const SAVE_MS = 1000; // each save writes the whole history of the room

/** Joins the room at `address` as `nick`, and leaves it when the component goes. */
export function useRoom(address, nick, options = {}) {
  // Each entry is a message with `mine` and `status`, or a notice `{ id, notice, ... }`.
  const entries = shallowRef([]);
  const state = shallowRef('connecting');
  const retry = shallowRef(null); // { attempt, at } while we wait for the next attempt
  const ending = shallowRef(null); // { code, reason } when it is over for good
  const timers = {};
  const unanswered = new Set(); // own entries
  let came = [];
  let shownId = readId(address); // all messages up to it were on the page
  let notices = 0;

  let room = null;
  const past = readHistory(address);
  const known = new Set(past.map((message) => message.id));
  entries.value = past.map(shallowReactive);
  if (past.length) notice('earlier');

  function add(...more) {
    const all = [...entries.value, ...more];
    all.splice(0, all.length - ENTRIES_MAX).forEach((gone) => known.delete(gone.id));
    entries.value = all;
  }

  function notice(name, detail = {}) {
    show();
    add({ id: `notice-${notices += 1}`, notice: name, ...detail });
  }

  function show() {
    clearTimeout(timers.show);
    timers.show = null;
    shownId = room?.id ?? shownId;
    if (!came.length) return;
    const fresh = came.filter(({ id }) => !known.has(id) && known.add(id));
    came = [];
    add(...fresh.map((message) => ({ ...message, mine: false, status: 'sent' })));
    save();
  }

  function save() {
    timers.save ??= setTimeout(saveNow, SAVE_MS);
  }

  function saveNow() {
    clearTimeout(timers.save);
    timers.save = null;
    writeHistory(address, entries.value.filter((entry) => !entry.notice), shownId);
  }

  /** Marks own messages that the relay has not answered. */
  function mark(status) {
    unanswered.forEach((entry) => { entry.status = status; });
  }

  // On the first visit what was said before; later what was said since this browser was here.
  room = connect(address, { last: MESSAGES_MAX, lastEventId: shownId, ...options });
  const follow = () => { state.value = room.state; };
  room.on('open', () => {
    follow();
    retry.value = null;
  });
  room.on('reconnecting', ({ attempt, delayMs }) => {
    follow();
    retry.value = { attempt, at: Date.now() + delayMs };
  });
  room.on('close', ({ code, reason, willReconnect }) => {
    follow();
    mark('waiting');
    if (willReconnect) return;
    retry.value = null;
    ending.value = { code, reason };
  });
  room.on('gap', ({ dropped, awayMs, missed }) => {
    if (dropped) notice('dropped', { count: dropped });
    if (awayMs) notice('away', { seconds: Math.max(1, Math.round(awayMs / 1000)) });
    else if (missed) notice('missed');
  });
  room.on('message', (data) => {
    came.push(decode(data));
    // A hidden page's timers sleep; what nobody will see is not kept either.
    if (came.length > ENTRIES_MAX) came.shift();
    timers.show ??= setTimeout(show, SHOW_MS);
  });

  /** Says something: it is on the page at once, and marked until a relay that was away has it. */
  function say(text) {
    show();
    const message = write(nick, text);
    known.add(message.id); // a relay with --echo says it back
    const status = room.state === 'open' ? 'sent' : 'waiting';
    const entry = shallowReactive({ ...message, mine: true, status });
    add(entry);
    unanswered.add(entry);
    room.publish(encode(message)).then(() => 'sent', () => 'lost').then((settled) => {
      if (!unanswered.delete(entry)) return;
      entry.status = settled;
      save();
    });
    save();
  }

  function forget() {
    show();
    entries.value = entries.value.filter((entry) => entry.status === 'waiting');
    clearHistory(address);
    saveNow();
  }

  function hide() {
    show();
    saveNow();
  }

  addEventListener('pagehide', hide);
  onScopeDispose(() => {
    removeEventListener('pagehide', hide);
    unanswered.clear(); // those that wait are lost; history.js says so when it reads them
    room.close();
    hide();
  });

  return { entries, state, retry, ending, say, forget };
}

