// A backend that checks what is written before it publishes it: WeChat demands that. Without one in
// relay.js the mini-program publishes by itself. ../php/check-and-publish.php is such a backend.

const relay = require('./relay.js');

let token = null;

/** Asks the backend; gives its status and its answer. */
const ask = (query, data, header = {}) => new Promise((resolve, reject) => {
  wx.request({ url: relay.backend.url + query, method: 'POST', data, header, fail: reject,
    success: ({ statusCode, data: answer }) => resolve({ status: statusCode, answer }) });
});

/** A new token, with which the user hears the room and does not speak there. */
async function logIn() {
  const { code } = await new Promise((success, fail) => { wx.login({ success, fail }); });
  const { status, answer } = await ask('?login', { code });
  if (status !== 200) throw new Error(`the backend answers ${status}`);
  token = answer.token;
  return token;
}

/** Has a message checked and published; gives `sent`, `refused` or `lost`. */
async function publish(message, connection, isAgain = false) {
  if (!token) await logIn();
  const { status } = await ask('', { ...message, connection }, { Authorization: `Bearer ${token}` });
  if (status === 401 && !isAgain) {
    token = null;
    return publish(message, connection, true);
  }
  return { 200: 'sent', 422: 'refused' }[status] || 'lost';
}

module.exports = { logIn, publish };
