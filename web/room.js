// The live page of a room: what is said, as it is said.
import { connect } from './client.js';
import { Plot } from './plot.js';
import { preferred, say, speak } from './words.js';

const ROWS_MAX = 300; // in the page; more is no use to anybody, and costs memory
const ROWS_PER_FRAME = 2; // 120 a second: faster than anybody reads
const WAITING_MAX = 300; // while the page is hidden, nothing is drawn
const TEXT_MAX = 2000; // characters, until "show all"
const BYTES_MAX = 64; // of a binary message, until "show more"
const BYTES_MOST = 4096;
const PREVIEW_MAX = 120; // characters of folded JSON
const JSON_MAX = 100_000; // characters that are looked at for JSON
const ASK_MS = 5000; // how often the relay is asked about the room
const NEWS_MS = 3000; // how often a screen reader is told
const BANNER_MS = 8000;

const element = (id) => document.getElementById(id);
const list = element('messages');
// A proxy may have the relay below a path of its own: what the page asks for lies beside this file.
const root = new URL('../', import.meta.url);
const path = document.documentElement.dataset.room; // percent-encoded, as the relay saw it
const about = new URL(`_/room${path}${location.search}`, root);
const rates = new Plot(element('rate-plot'));
const trips = new Plot(element('round-trip-plot'));

let waiting = []; // messages that have no row yet
let came = 0; // in this second
let shown = 0;
let unread = 0; // since a screen reader was told
let newestText = '';
let trip = null; // the newest round trip, in milliseconds
let facts = {};
let members = null; // with this page
let asked = 0; // when
let denied = 0; // the status that said so
let isRefused = false; // pages of this origin may not connect
let room = null;

// --- rows

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // never as HTML
  return made;
}

function textBody(text) {
  const body = make('div', 'body');
  body.dir = 'auto';
  if (text.length <= TEXT_MAX) {
    body.textContent = text;
    return body;
  }
  const more = make('button', 'more', say('more', text.length));
  more.type = 'button';
  more.onclick = () => { body.textContent = text; };
  body.append(`${text.slice(0, TEXT_MAX)}… `, more);
  return body;
}

function jsonBody(value, text) {
  const body = make('div', 'body');
  const details = make('details');
  details.append(make('summary', '', text.slice(0, PREVIEW_MAX)));
  details.addEventListener('toggle', () => {
    if (!details.querySelector('pre')) details.append(make('pre', '', JSON.stringify(value, null, 2)));
  }, { once: true });
  body.append(details);
  return body;
}

function binaryBody(data) {
  const body = make('div', 'body');
  const hex = (most) => [...new Uint8Array(data, 0, Math.min(most, data.byteLength))]
    .map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const pre = make('pre', '', hex(BYTES_MAX));
  body.append(make('span', 'kind', say('binary', data.byteLength)), pre);
  if (data.byteLength > BYTES_MAX) {
    const more = make('button', 'more', say('moreBytes'));
    more.type = 'button';
    more.onclick = () => { pre.textContent = hex(BYTES_MOST); more.remove(); };
    body.append(more);
  }
  return body;
}

function bodyOf(data) {
  if (typeof data !== 'string') return binaryBody(data);
  if (data.length <= JSON_MAX && /^\s*[[{]/.test(data)) {
    try {
      return jsonBody(JSON.parse(data), data);
    } catch { /* it only looked like JSON */ }
  }
  return textBody(data);
}

function row({ data, at, own }) {
  const item = make('li', own ? 'own' : '');
  const clock = make('time', '', at.toLocaleTimeString([], { hour12: false }));
  clock.dateTime = at.toISOString();
  item.append(clock, bodyOf(data));
  return item;
}

function draw() {
  if (waiting.length === 0) return;
  const below = list.scrollHeight - list.scrollTop - list.clientHeight;
  const batch = waiting.slice(-ROWS_PER_FRAME); // the newest; what is between is counted
  waiting = [];
  shown += batch.length;
  list.append(...batch.map(row));
  while (list.childElementCount > ROWS_MAX) list.firstElementChild.remove();
  element('empty').hidden = true;
  if (below < 80) list.scrollTop = list.scrollHeight;
  element('newest').hidden = below < 80;
}

function hear(data, own = false) {
  came += 1;
  unread += 1;
  newestText = typeof data === 'string' ? data.slice(0, PREVIEW_MAX) : say('binary', data.byteLength);
  if (waiting.length === 0) requestAnimationFrame(draw);
  waiting.push({ data, at: new Date(), own });
  if (waiting.length > WAITING_MAX) waiting.shift();
}

// --- the state of things

let bannerTimer = 0;
function banner(text, lasts = false) {
  const place = element('banner');
  clearTimeout(bannerTimer);
  place.hidden = !text;
  place.classList.toggle('quiet', !lasts);
  place.textContent = text;
  if (text && !lasts) bannerTimer = setTimeout(() => banner(''), BANNER_MS);
}

function showState() {
  const place = element('state');
  place.dataset.state = isRefused ? 'closed' : room?.state ?? 'connecting';
  place.textContent = say(place.dataset.state);
  const isMember = place.dataset.state === 'open' && members !== null;
  element('members').hidden = !isMember;
  if (isMember) element('members').textContent = say('members', members);
  element('say').hidden = facts.speak === false || isRefused;
  // Without a heartbeat nothing tells how long the way is: browsers cannot ping.
  element('trip').hidden = !facts.heartbeat;
}

async function ask() {
  asked = performance.now();
  const isMember = room?.state === 'open';
  try {
    const answer = await fetch(about, { cache: 'no-store' });
    denied = [400, 401, 403].includes(answer.status) ? answer.status : 0;
    if (!answer.ok) return;
    facts = await answer.json();
    if (isMember) members = facts.members; // before, it is without this page
  } catch { /* the relay is away: the connection tells */ }
  showState();
}

/** Whether pages of this origin may connect: a browser hides why it could not. */
async function askWhetherRefused() {
  try {
    const answer = await fetch(about, { method: 'OPTIONS' }); // it carries the origin
    isRefused = answer.ok && !answer.headers.has('Access-Control-Allow-Origin');
  } catch { /* the relay is away */ }
  if (!isRefused) return;
  room.close();
  banner(say('origin', location.origin), true);
  showState();
}

function everySecond() {
  rates.push(came);
  element('rate').textContent = came;
  if (room.state !== 'open') trip = null;
  trips.push(trip);
  element('round-trip').textContent = trip === null ? '–' : `${trip < 10 ? trip.toFixed(1) : Math.round(trip)} ms`;
  const note = element('sampled');
  note.hidden = shown >= came;
  if (shown < came) note.textContent = say('sampled', shown, came);
  came = shown = 0;
  if (document.hidden) return;
  const isDue = performance.now() - asked >= ASK_MS;
  if (isDue) ask();
  if (isDue || trip === null) room.ping(); // the first one not while the page is being made
}

function tellNews() {
  if (unread > 0) element('news').textContent = say('news', unread, newestText);
  unread = 0;
}

// --- what the visitor does

function sendText(event) {
  event?.preventDefault();
  const box = element('text');
  if (box.value === '' || !room.send(box.value)) return;
  if (!facts.echo) hear(box.value, true);
  box.value = '';
  grow();
  list.scrollTop = list.scrollHeight;
}

function grow() {
  const box = element('text');
  box.rows = Math.min(6, box.value.split('\n').length);
}

element('say').addEventListener('submit', sendText);
element('text').addEventListener('input', grow);
element('text').addEventListener('keydown', (event) => {
  // Enter also ends the choice of a Chinese word.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) sendText(event);
});
element('newest').addEventListener('click', () => {
  list.scrollTop = list.scrollHeight;
  element('newest').hidden = true;
});
element('language').addEventListener('change', (event) => {
  speak(event.target.value);
  showState();
});

/** What was said: with `--json` the relay says it as a string of JSON, but not by fanfare.v1. */
function meant(data) {
  if (!facts.json || room.id !== null || typeof data !== 'string') return data;
  try {
    const value = JSON.parse(data);
    return typeof value === 'string' ? value : data;
  } catch {
    return data; // it was said before the relay was told to
  }
}

function follow() {
  const { heartbeat = null } = facts;
  const address = location.origin.replace('http', 'ws') + location.pathname + location.search;
  room = connect(address, { heartbeat });
  let wasOpen = false;
  room.on('message', (data) => hear(meant(data)));
  room.on('pong', ({ roundTripMs }) => { trip = roundTripMs; });
  room.on('open', () => {
    wasOpen = true;
    banner('');
    showState();
    ask();
  });
  room.on('close', ({ code, reason, willReconnect }) => {
    members = null;
    if (!willReconnect && !isRefused) banner(say('ended', code, reason), true);
    showState();
  });
  room.on('reconnecting', ({ attempt, delayMs }) => {
    if (!wasOpen || attempt > 1) askWhetherRefused();
    banner(say('lost', Math.ceil(delayMs / 1000)), true);
    showState();
  });
  room.on('gap', ({ dropped, awayMs }) => {
    if (dropped) banner(say('dropped', dropped));
    else banner(awayMs ? say('gap', Math.ceil(awayMs / 1000)) : say('skipped'));
  });
  showState();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a path may be any bytes
  }
}

speak(preferred());
element('language').value = preferred();
element('room').textContent = decoded(path);
document.title = `${decoded(path)} · fanfare`;
await ask();
if (denied) {
  element('say').hidden = true;
  element('state').dataset.state = 'closed';
  element('state').textContent = say('closed');
  banner(say(denied === 403 ? 'denied' : 'token'), true); // another token is another address
} else {
  follow();
  setInterval(everySecond, 1000);
  setInterval(tellNews, NEWS_MS);
}
