// The page's texts, in two languages.

import { computed, ref } from 'vue';
import { recall, remember } from './profile.js';

const ENGLISH = {
  title: 'fanfare chat', tagline: 'A room, and all its members.',
  nick: 'Nickname', nickHint: 'What others will see',
  room: 'Room', roomHint: 'news, or none at all',
  join: 'Join', leave: 'Leave', forget: 'Forget history',
  forgetReally: 'Forget what this browser saw in this room?',
  relay: 'Relay', language: '中文', lobby: 'Lobby', anonymous: 'somebody',
  text: 'Message', placeholder: 'Say something…', send: 'Send',
  connecting: 'connecting…', open: 'connected', reconnecting: 'reconnecting…', closed: 'closed',
  empty: 'Nothing was said here yet. Open this page in a second tab, and write one.',
  waiting: 'waiting for the connection', lost: 'not sent', newer: (n) => `${n} new ↓`,
  retry: (s, n) => (s ? `The connection is lost: attempt ${n} in ${s} s.`
    : `The connection is lost: attempt ${n} now.`),
  keeps: 'Messages that you write meanwhile are queued.',
  ended: (code, reason) => `The connection has ended (${[code, reason].filter(Boolean).join(' ')}).`,
  again: 'Join again',
  earlier: 'Above: what this browser saw earlier',
  away: (s) => `You were away for ${s} s: messages of that time are missing.`,
  missed: 'Some messages are missing here.',
  dropped: (n) => `${n} of your messages waited for too long and will not be sent.`,
  roomDots: 'A part of a room’s name must not be "." or "..".',
  roomReserved: 'Names that begin with _/ are reserved for the relay.',
  roomBroken: 'This name has an incomplete character.',
  roomLong: 'A room’s name has at most 255 bytes.',
  relayBroken: 'The relay’s address must begin with ws:// or wss://.',
};

const CHINESE = {
  title: 'fanfare 聊天室', tagline: '进入同一个房间，说话大家都能听到。',
  nick: '昵称', nickHint: '别人看到的名字', room: '房间', roomHint: '例如 news，也可以留空',
  join: '进入', leave: '离开', forget: '清除记录',
  forgetReally: '要清除本浏览器在这个房间里的聊天记录吗？',
  relay: '服务器', language: 'English', lobby: '大厅', anonymous: '匿名',
  text: '消息', placeholder: '说点什么…', send: '发送',
  connecting: '正在连接…', open: '已连接', reconnecting: '正在重连…', closed: '已断开',
  empty: '这里还没有人说话。再开一个标签页，自己和自己聊聊看。',
  waiting: '等待连接恢复', lost: '未发送', newer: (n) => `${n} 条新消息 ↓`,
  retry: (s, n) => (s ? `连接已断开，${s} 秒后第 ${n} 次重试。` : `连接已断开，正在进行第 ${n} 次重试。`),
  keeps: '这期间写的消息会先留在本地，连上后自动发出。',
  ended: (code, reason) => `连接已结束（${[code, reason].filter(Boolean).join(' ')}）。`,
  again: '重新进入',
  earlier: '以上是本浏览器之前看到的消息',
  away: (s) => `断线 ${s} 秒，这期间别人说的话没有收到。`,
  missed: '这里少了一些消息。',
  dropped: (n) => `您有 ${n} 条消息等待太久，不会再发送。`,
  roomDots: '房间名的任何一段都不能是“.”或“..”。',
  roomReserved: '_/ 开头的房间留给服务器自己使用。',
  roomBroken: '房间名里有不完整的字符。',
  roomLong: '房间名最长 255 字节。',
  relayBroken: '服务器地址必须以 ws:// 或 wss:// 开头。',
};

const preferred = globalThis.navigator?.language?.startsWith('zh') ? 'zh' : 'en';
export const language = ref(recall('language') ?? preferred);
const words = computed(() => (language.value === 'zh' ? CHINESE : ENGLISH));

/** The word or sentence of this name. */
export function say(name, ...values) {
  const word = words.value[name];
  return typeof word === 'function' ? word(...values) : word;
}

export function switchLanguage() {
  language.value = language.value === 'zh' ? 'en' : 'zh';
  remember('language', language.value);
}
