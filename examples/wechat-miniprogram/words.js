// The page's texts, in the two languages that most of WeChat's users have.

const ENGLISH = {
  nick: 'Nickname', room: 'Room', lobby: 'Lobby', join: 'Join', send: 'Send',
  placeholder: 'Say something…', anonymous: 'somebody',
  connecting: 'connecting…', open: 'connected', reconnecting: 'reconnecting…', closed: 'closed',
  waiting: 'waiting', lost: 'not sent', refused: 'not accepted', newer: 'new ↓',
  noNick: 'A nickname is needed', noRoom: 'This room name is not allowed', notSent: 'Not sent: closed',
  retry: (s) => `The connection is lost. Trying again in ${s} s.`,
  ended: (code, reason) => `Ended: ${code} ${reason}`,
  away: (s) => `Away for ${s} s: messages of that time are missing.`,
  missed: 'Some messages are missing here.',
  dropped: (n) => `${n} of your messages waited too long and were dropped.`,
};

const CHINESE = {
  nick: '昵称', room: '房间', lobby: '大厅', join: '进入', send: '发送',
  placeholder: '说点什么…', anonymous: '匿名',
  connecting: '正在连接…', open: '已连接', reconnecting: '正在重连…', closed: '已断开',
  waiting: '等待发送', lost: '未发送', refused: '未通过审核', newer: '条新消息 ↓',
  noNick: '请填写昵称', noRoom: '房间名不可用', notSent: '连接已断开，未发送',
  retry: (s) => `连接已断开，${s} 秒后重试`,
  ended: (code, reason) => `连接已结束：${code} ${reason}`,
  away: (s) => `断线 ${s} 秒，这期间别人说的话没有收到`,
  missed: '这里少了一些消息',
  dropped: (n) => `有 ${n} 条消息等待太久，已被丢弃`,
};

/** The words for a language as WeChat names it: `zh_CN`, `en`. */
const wordsFor = (language) => (/^zh/.test(language) ? CHINESE : ENGLISH);

module.exports = { wordsFor };
