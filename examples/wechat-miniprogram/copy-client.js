// Copies the client's CommonJS build to lib/fanfare.js: node copy-client.js
// The copy is kept in the repository: who opens this directory in WeChat's developer tools needs no
// Node and no step before. `--check` changes nothing and ends with 1 if the copy is old.

const { mkdirSync, readFileSync, writeFileSync } = require('fs');
const { join } = require('path');

const source = readFileSync(join(__dirname, '../../clients/js/fanfare.cjs'), 'utf8');
const copy = join(__dirname, 'lib/fanfare.js');

function isFresh() {
  try {
    return readFileSync(copy, 'utf8') === source;
  } catch (error) {
    return false;
  }
}

if (process.argv[2] === '--check') {
  if (!isFresh()) {
    console.error('lib/fanfare.js is not clients/js/fanfare.cjs: run `node copy-client.js`');
    process.exitCode = 1;
  }
} else {
  mkdirSync(join(__dirname, 'lib'), { recursive: true });
  writeFileSync(copy, source);
}
