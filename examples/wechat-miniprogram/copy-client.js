// Makes lib/fanfare.js, the client as a mini-program requires it: node copy-client.js
// Once before the directory is opened in WeChat's developer tools, and when the client has changed.

const { mkdirSync, renameSync, writeFileSync } = require('fs');
const { join } = require('path');

import('../../clients/js/build.js').then(({ built }) => {
  mkdirSync(join(__dirname, 'lib'), { recursive: true });
  const file = join(__dirname, 'lib/fanfare.js');
  writeFileSync(`${file}.${process.pid}`, built()['fanfare.cjs']); // the tools may be reading it
  renameSync(`${file}.${process.pid}`, file);
});
