// The chat: the room's state, its messages, and the state of our own.

const { NICK_MAX, TEXT_MAX } = require('../../message.js');
const { wordsFor } = require('../../words.js');

const LINES_MAX = 100; // each `setData` copies them all to the view; more makes old phones crawl
const SHOW_MS = 100; // what comes within it is shown together, for the same reason

const app = getApp();

/** The user's language; `getAppBaseInfo` is there since base library 2.20.1. */
const language = () => (wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync()).language;
const two = (number) => `0${number}`.slice(-2);

Page({
  data: {
    words: {}, state: 'connecting', banner: '', lines: [], last: '', unseen: 0,
    nick: '', room: '', text: '', nickMax: NICK_MAX, textMax: TEXT_MAX,
  },

  onLoad() {
    const words = wordsFor(language() || 'zh_CN');
    this.words = words;
    this.lines = [];
    this.ids = new Set();
    this.count = 0; // of all lines there were
    this.seen = 0; // of them
    this.isAtEnd = true; // a reader further up stays there
    const { nick, room } = app.globalData;
    // Functions cannot go to the view.
    const texts = Object.keys(words).filter((name) => typeof words[name] === 'string');
    this.setData({
      nick, room, words: texts.reduce((all, name) => ({ ...all, [name]: words[name] }), {}),
    });
    this.unwatch = app.watch((event, detail) => this.happened(event, detail));
    this.follow();
  },

  onUnload() {
    this.unwatch();
    clearTimeout(this.showTimer);
    this.isGone = true;
  },

  happened(event, detail) {
    if (event === 'message') return this.add({ ...detail, mine: false, status: 'sent' });
    if (event === 'settled') return this.settle(detail);
    if (event === 'gap' && detail.dropped) this.note(this.words.dropped(detail.dropped));
    if (event === 'gap' && detail.missed) {
      const { awayMs } = detail;
      this.note(awayMs ? this.words.away(Math.max(1, Math.round(awayMs / 1000))) : this.words.missed);
    }
    return this.follow(event, detail);
  },

  /** Brings the page's state and banner up to the connection's. */
  follow(event, detail) {
    const status = app.globalData.socketStatus;
    const state = status === 'connected' ? 'open' : status;
    let { banner } = this.data;
    if (event === 'reconnecting') banner = this.words.retry(Math.ceil(detail.delayMs / 1000));
    else if (event === 'close' && !detail.willReconnect) {
      banner = detail.code === 1000 ? '' : this.words.ended(detail.code, detail.reason);
    } else if (state === 'open' || state === 'connecting') banner = '';
    this.setData({ state, banner });
    const place = app.globalData.room || this.words.lobby;
    wx.setNavigationBarTitle({ title: `${place} · ${this.words[state]}` });
  },

  add(line) {
    // A relay with --echo says our own back, and a replay has what the backend published for us.
    if (this.ids.has(line.id)) return;
    this.ids.add(line.id);
    const date = new Date(line.at);
    const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
    if (line.mine) this.isAtEnd = true;
    this.push({ ...line, time, nick: line.nick || this.words.anonymous });
  },

  note(text) { this.push({ id: '', notice: text }); },

  /** Adds a line at the end. */
  push(line) {
    this.count += 1;
    // `key` is also the element's id: others choose `id`.
    this.lines.push({ ...line, key: `line-${this.count}` });
    this.lines.splice(0, this.lines.length - LINES_MAX).forEach(({ id }) => this.ids.delete(id));
    this.show();
  },

  /** What became of an own message. */
  settle({ id, status }) {
    const own = this.lines.find((line) => line.mine && line.id === id);
    if (!own || own.status === status) return;
    own.status = status;
    this.show();
  },

  show() {
    if (this.showTimer) return;
    this.showTimer = setTimeout(() => {
      this.showTimer = null;
      if (this.isGone) return;
      if (this.isAtEnd) this.seen = this.count;
      const last = this.lines[this.lines.length - 1];
      // The view scrolls when the value changes, so it is the newest line's name.
      this.setData({ lines: this.lines, unseen: this.count - this.seen,
        ...(this.isAtEnd ? { last: last ? last.key : '' } : {}) });
    }, SHOW_MS);
  },

  /** The reader has scrolled: further up, new lines do not move the list. */
  scroll({ detail: { scrollTop, scrollHeight } }) {
    const { top = 0, height = 0 } = this.scrolled || {};
    if (scrollTop < top && scrollHeight >= height) this.isAtEnd = false;
    this.scrolled = { top: scrollTop, height: scrollHeight };
  },

  reachEnd() {
    this.isAtEnd = true;
    if (this.data.unseen) this.show();
  },

  toEnd() {
    this.isAtEnd = true;
    this.setData({ last: '' }); // it may be the newest line's name already
    this.show();
  },

  typeNick(event) { this.setData({ nick: event.detail.value }); },
  typeRoom(event) { this.setData({ room: event.detail.value }); },
  typeText(event) { this.setData({ text: event.detail.value }); },

  join() {
    const nick = this.data.nick.trim();
    const room = this.data.room.trim().replace(/^\/+/, '');
    if (!nick) return this.complain('noNick');
    const before = app.globalData.room;
    if (!app.join(nick, room)) return this.complain('noRoom');
    if (room !== before) {
      this.lines = [];
      this.ids.clear();
      this.isAtEnd = true;
      this.show();
    }
    return undefined;
  },

  send() {
    const text = this.data.text.trim();
    if (!text) return undefined;
    if (!app.globalData.nick) {
      if (!this.data.nick.trim()) return this.complain('noNick');
      app.globalData.nick = this.data.nick.trim();
      wx.setStorageSync('nick', app.globalData.nick);
    }
    const message = app.say(text);
    if (!message) return this.complain('notSent');
    this.add({ ...message, mine: true });
    this.setData({ text: '' });
    return undefined;
  },

  complain(word) {
    wx.showToast({ title: this.words[word], icon: 'none' });
  },
});
