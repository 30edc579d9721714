// The page's texts, in two languages.
const ENGLISH = {
  language: 'Language', figures: 'Figures', messages: 'Messages', message: 'Message', send: 'Send',
  rate: 'Messages per second', roundTrip: 'Round trip', newest: 'Newest ↓',
  empty: 'No message has come since you joined.',
  connecting: 'connecting', open: 'connected', reconnecting: 'reconnecting', closed: 'closed',
  members: (n) => (n === 1 ? '1 member' : `${n} members`),
  sampled: (shown, came) => `Showing ${shown} of ${came} messages of the last second.`,
  lost: (seconds) => `The connection is lost. Trying again in ${seconds} s.`,
  gap: (seconds) => `Disconnected for ${seconds} s: messages of that time are missing.`,
  skipped: 'This page was too slow: some messages are missing.',
  dropped: (n) => `${n} of your messages waited too long and were dropped.`,
  token: 'This room needs a valid token: add ?token=… to the address.',
  denied: 'Your token does not let you join this room.',
  origin: (own) => `The relay does not accept pages of ${own}: start it with --allow-origin same, or ${own}.`,
  ended: (code, reason) => `The relay ended the connection: ${code} ${reason}`,
  more: (n) => `show all ${n} characters`, json: 'JSON',
  binary: (n) => `binary, ${n} bytes`, moreBytes: 'show more bytes',
  news: (n, last) => (n === 1 ? last : `${n} new messages. The newest: ${last}`),
};
const CHINESE = {
  language: '语言', figures: '实时数据', messages: '消息', message: '消息内容', send: '发送',
  rate: '每秒消息数', roundTrip: '往返时延', newest: '最新消息 ↓',
  empty: '您进来之后还没有消息。',
  connecting: '正在连接', open: '已连接', reconnecting: '正在重连', closed: '已断开',
  members: (n) => `${n} 人在线`,
  sampled: (shown, came) => `最近一秒共 ${came} 条消息，显示其中 ${shown} 条。`,
  lost: (seconds) => `连接已断开，${seconds} 秒后重试。`,
  gap: (seconds) => `断线 ${seconds} 秒，其间的消息这里没有。`,
  skipped: '本页接收太慢，中间少了一些消息。',
  dropped: (n) => `您有 ${n} 条消息等待过久，已被丢弃。`,
  token: '进入此房间需要有效的令牌：请在地址后加上 ?token=…',
  denied: '您的令牌不允许加入此房间。',
  origin: (own) => `服务器不接受来自 ${own} 的页面：请在启动时加上 --allow-origin same，或者 ${own}。`,
  ended: (code, reason) => `服务器结束了连接：${code} ${reason}`,
  more: (n) => `显示全部 ${n} 个字符`, json: 'JSON',
  binary: (n) => `二进制，${n} 字节`, moreBytes: '显示更多字节',
  news: (n, last) => (n === 1 ? last : `${n} 条新消息，最新一条：${last}`),
};

const KEY = 'fanfare-language';
let words = ENGLISH;

/** The word or sentence of this name. */
export function say(name, ...values) {
  const word = words[name];
  return typeof word === 'function' ? word(...values) : word;
}

/** Chooses a language, for now and for the next time, and puts its words into the page. */
export function speak(language) {
  words = language === 'zh' ? CHINESE : ENGLISH;
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const element of document.querySelectorAll('[data-word]')) {
    element.textContent = say(element.dataset.word);
  }
  try { localStorage.setItem(KEY, language); } catch { /* private windows forbid it */ }
}

/** The language that was chosen, or the browser's. */
export function preferred() {
  let chosen = null;
  try { chosen = localStorage.getItem(KEY); } catch { /* as above */ }
  return chosen ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
}
