// The mini-program with pretended globals of WeChat.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { createFakeWx } from '../../clients/js/test/fake-wx.js';
import { examples } from './prepared.js';
import { until } from './program.js';

export const root = `${examples}wechat-miniprogram/`;
export const require = createRequire(root);
execFileSync(process.execPath, [`${root}copy-client.js`]); // as its README says

/** Starts the mini-program as WeChat does: app.js, `onLaunch`, then the first page. */
export function launch(t, { url, stored = {}, language = 'en', backend = null, code = 'a code' } = {}) {
  const toasts = [];
  const titles = [];
  const storage = { ...stored };
  const wx = Object.assign(createFakeWx({ WebSocket }), {
    getStorageSync: (key) => storage[key] ?? '',
    setStorageSync: (key, value) => { storage[key] = value; },
    getAppBaseInfo: () => ({ language }),
    showToast: ({ title }) => toasts.push(title),
    login: ({ success }) => setTimeout(success, 0, { code }),
    request: ({ url: at, method, data, header, success, fail }) => {
      fetch(at, { method, body: JSON.stringify(data), headers: header })
        .then(async (answer) => success({ statusCode: answer.status, data: await answer.json() }))
        .catch((error) => fail({ errMsg: error.message }));
    },
    setNavigationBarTitle: ({ title }) => titles.push(title),
  });
  let app;
  let page;
  let sets = 0;
  Object.assign(globalThis, {
    wx,
    App: (definition) => { app = definition; },
    getApp: () => app,
    Page: (definition) => {
      page = { ...definition, data: structuredClone(definition.data) };
      page.setData = (patch) => {
        // The view is another process: only JSON arrives there.
        assert.deepEqual(JSON.parse(JSON.stringify(patch)), patch);
        sets += 1;
        Object.assign(page.data, JSON.parse(JSON.stringify(patch)));
      };
    },
  });
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(root)) delete require.cache[file];
  }
  Object.assign(require('./relay.js'), { address: url, backend });
  require('./app.js');
  app.onLaunch();
  require('./pages/chat/chat.js');
  page.onLoad({});
  t.after(() => app.closeSocket());
  return {
    app, page, wx, toasts, titles, storage, sets: () => sets,
    type: (field, value) => page[`type${field}`]({ detail: { value } }),
    isOpen: () => until(() => app.globalData.socketStatus === 'connected', 'the connection'),
    lines: () => page.data.lines.filter((line) => !line.notice),
    notices: () => page.data.lines.filter((line) => line.notice).map((line) => line.notice),
    says(text) { this.type('Text', text); page.send(); },
    shows: (text) => until(() => page.data.lines.find((line) => line.text === text), text),
  };
}
