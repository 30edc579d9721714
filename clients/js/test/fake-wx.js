// WeChat's socket functions as its documentation describes them, over a real WebSocket:
// `success` only means that a task was created, listeners cannot be removed, five sockets at most,
// and after five seconds in the background all are cut with 1000 "interrupted".

const SOCKETS_MAX = 5;
const BACKGROUND_MS = 5000;
const later = (work, ...args) => setTimeout(() => work?.(...args));
const forget = (list, work) => { if (list.includes(work)) list.splice(list.indexOf(work), 1); };

/** A fake `wx`; `WebSocket` is the constructor that it stands on. */
export function createFakeWx({ WebSocket }) {
  const tasks = new Set();
  const shows = [];
  const hides = [];
  const networks = [];
  const globals = { open: [], message: [], close: [], error: [] };
  let background = null;
  let newest = null;

  const over = (task) => {
    if (!tasks.delete(task)) return false;
    task.socket.onmessage = null;
    return true;
  };

  function createTask({ url, protocols, fail, success, complete }) {
    if (tasks.size >= SOCKETS_MAX) {
      later(fail, { errMsg: 'connectSocket:fail exceed max task count' });
      later(complete, {});
      return undefined;
    }
    const heard = { open: [], message: [], close: [], error: [] };
    const tell = (event, detail) => {
      heard[event].forEach((work) => work(detail));
      if (task === newest) globals[event].forEach((work) => work(detail));
    };
    const socket = protocols ? new WebSocket(url, protocols) : new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const task = {
      socket,
      tell,
      send({ data, success: sent, fail: failed, complete: done }) {
        if (socket.readyState === 1 && !background?.cut) {
          socket.send(data);
          later(sent, { errMsg: 'sendSocketMessage:ok' });
        } else {
          later(failed, { errMsg: 'sendSocketMessage:fail' });
        }
        later(done, {});
      },
      close({ code = 1000, reason = '', success: closed, fail: failed } = {}) {
        if (socket.readyState > 1) return later(failed, { errMsg: 'closeSocket:fail' });
        socket.close(code, reason);
        return later(closed, { errMsg: 'closeSocket:ok' });
      },
      onOpen: (work) => heard.open.push(work),
      onMessage: (work) => heard.message.push(work),
      onClose: (work) => heard.close.push(work),
      onError: (work) => heard.error.push(work),
    };
    socket.onopen = () => tell('open', { header: { 'sec-websocket-protocol': socket.protocol } });
    socket.onmessage = (event) => tell('message', { data: event.data });
    socket.onerror = (event) => tell('error', { errMsg: event.message ?? 'error' });
    socket.onclose = (event) => {
      if (over(task)) tell('close', { code: event.code, reason: event.reason });
    };
    tasks.add(task);
    newest = task;
    later(success, { errMsg: 'connectSocket:ok', socketTaskId: tasks.size });
    later(complete, {});
    return task;
  }

  const withNewest = (name) => (options) => {
    if (newest) newest[name](options);
    else later(options?.fail, { errMsg: 'fail socket is not connected' });
  };

  return {
    tasks,
    connectSocket: createTask,
    onSocketOpen: (work) => globals.open.push(work),
    onSocketMessage: (work) => globals.message.push(work),
    onSocketClose: (work) => globals.close.push(work),
    onSocketError: (work) => globals.error.push(work),
    sendSocketMessage: withNewest('send'),
    closeSocket: withNewest('close'),
    onAppShow: (work) => shows.push(work),
    offAppShow: (work) => forget(shows, work),
    onAppHide: (work) => hides.push(work),
    onNetworkStatusChange: (work) => networks.push(work),
    offNetworkStatusChange: (work) => forget(networks, work),
    showToast() {},
    setNavigationBarTitle() {},
    hooks: () => shows.length + networks.length,

    /** The mini-program goes to the background. */
    hide() {
      hides.forEach((work) => work());
      background = { cut: false };
      background.timer = setTimeout(() => this.cut(), BACKGROUND_MS);
    },
    /** Five seconds in the background have passed. */
    cut() {
      background = { ...background, cut: true };
      for (const task of [...tasks]) {
        over(task);
        task.socket.close();
        task.tell('close', { code: 1000, reason: 'interrupted' });
      }
    },
    /** The mini-program is visible again. */
    show() {
      clearTimeout(background?.timer);
      background = null;
      shows.forEach((work) => work());
    },
    network(isConnected) {
      networks.forEach((work) => work({ isConnected }));
    },
  };
}
