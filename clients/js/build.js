// Makes the CommonJS build of fanfare.js, and its types: the same text, with CommonJS exports. npm
// runs it when the package is packed or its tests are installed.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (name) => new URL(name, import.meta.url);
const EXPORT = /^export (?=(?:class|function) (\w+))/gm;

/** The files that are made, by name. */
export function built() {
  const source = readFileSync(here('fanfare.js'), 'utf8');
  const names = [...source.matchAll(EXPORT)].map((found) => found[1]);
  return {
    'fanfare.cjs':
      `'use strict'; ${source.replace(EXPORT, '')}module.exports = { ${names.join(', ')} };\n`,
    'fanfare.d.cts': readFileSync(here('fanfare.d.ts'), 'utf8'),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(built())) {
    // Another process may be reading it.
    writeFileSync(here(`${name}.${process.pid}`), text);
    renameSync(here(`${name}.${process.pid}`), here(name));
  }
}
