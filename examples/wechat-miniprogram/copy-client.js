// Makes lib/fanfare.js, the client as a mini-program requires it: node copy-client.js
// Once before the directory is opened in WeChat's developer tools, and when the client has changed.

const { mkdirSync, writeFileSync } = require('fs');
const { join } = require('path');

import('../../clients/js/build.js').then(({ built }) => {
  mkdirSync(join(__dirname, 'lib'), { recursive: true });
  writeFileSync(join(__dirname, 'lib/fanfare.js'), built()['fanfare.cjs']);
});
