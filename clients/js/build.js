// Makes fanfare.cjs of fanfare.js: the same text, with CommonJS's word for what is exported.
import { readFileSync, writeFileSync } from 'node:fs';

const here = (name) => new URL(name, import.meta.url);
const EXPORT = /^export (?=(?:class|function) (\w+))/gm;

/** The CommonJS build as text. */
export function commonjs() {
  const source = readFileSync(here('fanfare.js'), 'utf8');
  const names = [...source.matchAll(EXPORT)].map((found) => found[1]);
  return `'use strict';\n${source.replace(EXPORT, '')}\nmodule.exports = { ${names.join(', ')} };\n`;
}

if (process.argv[1] === here('build.js').pathname) writeFileSync(here('fanfare.cjs'), commonjs());
