// The mini-program's one connection: five are allowed, and a chat needs one.

const { connect, WxSocket } = require('./lib/fanfare.js');
const { roomAddress } = require('./address.js');
const backend = require('./backend.js');
const { decode, encode, write } = require('./message.js');
const relay = require('./relay.js');

const EVENTS = ['open', 'close', 'reconnecting', 'gap', 'error'];
const LAST = 50; // messages that were said before; the page has 100

App({
  globalData: {
    socketStatus: 'closed', // 'connecting', 'connected', 'reconnecting', 'closed'
    nick: '',
    room: '',
  },

  onLaunch() {
    this.listeners = new Set();
    this.globalData.nick = wx.getStorageSync('nick') || '';
    this.globalData.room = this.roomOf(wx.getStorageSync('room') || '');
    if (this.globalData.socketStatus === 'closed') this.openSocket();
  },

  /** Calls back with each event of the connection; the function that comes back ends that. */
  watch(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  },

  /** A backend publishes in its own room alone. */
  roomOf: (room) => (relay.backend ? relay.backend.room : room),

  /** Another name, another room; false if there can be no such room. */
  join(nick, chosen) {
    const room = this.roomOf(chosen);
    if (!roomAddress(relay.address, room)) return false;
    Object.assign(this.globalData, { nick, room });
    wx.setStorageSync('nick', nick);
    wx.setStorageSync('room', room);
    return this.openSocket();
  },

  /** Connects to the room; whatever was open is closed before. */
  openSocket() {
    const address = roomAddress(relay.address, this.globalData.room);
    if (!address) return false;
    this.closeSocket();
    // The constructor is named: the developer tools are a browser, and shall take a phone's way.
    const connection = connect(address, { heartbeat: relay.heartbeat, WebSocket: WxSocket, last: LAST,
      token: relay.backend ? backend.logIn : undefined });
    this.connection = connection;
    // Events of a connection that was replaced are ignored.
    const mine = (work) => (detail) => { if (this.connection === connection) work(detail); };
    EVENTS.forEach((event) => {
      connection.on(event, mine((detail) => this.tell(event, detail)));
    });
    connection.on('message', mine((data) => this.tell('message', decode(data))));
    this.tell('connecting');
    return true;
  },

  closeSocket() {
    if (!this.connection) return;
    const connection = this.connection;
    this.connection = null;
    connection.close();
    this.tell('close', { code: 1000, reason: '', willReconnect: false });
  },

  /**
   * Says something; gives the message, or null if nothing can be said. What becomes of it is the event
   * `settled`.
   */
  say(text) {
    const { connection } = this;
    if (!connection || connection.state === 'closed') return null;
    const message = write(this.globalData.nick, text);
    const status = connection.state === 'open' ? 'sent' : 'waiting';
    const published = relay.backend ? backend.publish(message, connection.connection)
      : connection.publish(encode(message)).then(() => 'sent');
    published.catch(() => 'lost').then((settled) => {
      this.tell('settled', { id: message.id, status: settled });
    });
    return { ...message, status };
  },

  tell(event, detail) {
    const state = this.connection ? this.connection.state : 'closed';
    this.globalData.socketStatus = state === 'open' ? 'connected' : state;
    if (event !== 'message') console.log('socket', event, this.globalData.socketStatus);
    this.listeners.forEach((listener) => listener(event, detail));
  },
});
