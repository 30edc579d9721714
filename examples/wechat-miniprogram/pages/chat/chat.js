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
    words: {}, state: 'connecting', banner: '', lines: [], last: '',
    nick: '', room: '', text: '', nickMax: NICK_MAX, textMax: TEXT_MAX,
  },

  onLoad() {
    const words = wordsFor(language() || 'zh_CN');
    this.words = words;
    this.lines = [];
    this.ids = new Set();
    this.notices = 0;
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
    if (event === 'open') this.settle('sent'); // the client has handed over what it kept
    if (event === 'close' && !detail.willReconnect) this.settle('lost');
    if (event === 'gap' && detail.dropped) {
      this.settle('lost', detail.dropped);
      this.note(this.words.dropped(detail.dropped));
    }
    if (event === 'gap' && detail.awayMs) {
      this.note(this.words.away(Math.max(1, Math.round(detail.awayMs / 1000))));
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
    if (this.ids.has(line.id)) return; // a relay with --echo says our own back
    this.ids.add(line.id);
    const date = new Date(line.at);
    const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
    this.lines.push({ ...line, time, nick: line.nick || this.words.anonymous });
    this.lines.splice(0, this.lines.length - LINES_MAX).forEach(({ id }) => this.ids.delete(id));
    this.show();
  },

  note(text) {
    this.notices += 1;
    this.lines.push({ id: `notice-${this.notices}`, notice: text });
    this.show();
  },

  /** Marks own messages that wait: the oldest `most` of them. */
  settle(status, most = Infinity) {
    const waiting = this.lines.filter((line) => line.status === 'waiting').slice(0, most);
    waiting.forEach((line) => { line.status = status; });
    if (waiting.length) this.show();
  },

  show() {
    if (this.showTimer) return;
    this.showTimer = setTimeout(() => {
      this.showTimer = null;
      if (this.isGone) return;
      const last = this.lines.length ? 'end' : '';
      this.setData({ lines: this.lines, last });
    }, SHOW_MS);
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
