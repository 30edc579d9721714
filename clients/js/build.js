// Joins the modules of an entry into one file: the relay's `build.rs` does the same for the page's
// client. npm runs it when the package is packed or its tests are installed.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (name) => new URL(name, import.meta.url);
const NEEDED = /^(?:import|export) .* from '(\.\/[\w./-]+)';$/;

/**
 * The lines of a module behind those that it needs, each module once, without comments and indentation,
 * which cost bytes. So an import stands in one line, no line of code begins with an asterisk, a comment
 * behind code has a space on both sides of its slashes, and no text has several lines.
 */
function joined(at, seen = new Set()) {
  if (seen.has(at.href)) return '';
  seen.add(at.href);
  return readFileSync(at, 'utf8').split('\n').map((line) => {
    const [, needed] = NEEDED.exec(line) ?? [];
    if (needed) return joined(new URL(needed, at), seen);
    const code = line.split(' // ')[0].replace(/^export /, '').trimStart();
    return code === '' || /^(\/\/|\/?\*)/.test(code) ? '' : `${code}\n`;
  }).join('');
}

/** What an entry exports. */
function namesOf(entry) {
  const source = readFileSync(here(entry), 'utf8');
  const found = source.matchAll(/^export (?:\{ (.+) \} from|(?:class|function) (\w+))/gm);
  return [...found].map(([, handed, own]) => handed ?? own).join(', ');
}

const cjs = (entry) => (
  `'use strict';\n${joined(here(entry))}module.exports = { ${namesOf(entry)} };\n`);

/** The client in one file, as the relay serves it. */
export const served = () => `${joined(here('fanfare.js'))}export { ${namesOf('fanfare.js')} };\n`;

/** The files that are made, by name. */
export const built = () => ({
  'fanfare.cjs': cjs('fanfare.js'),
  'fanfare.d.cts': readFileSync(here('fanfare.d.ts'), 'utf8'),
  'websocket.cjs': cjs('websocket.js'),
  'websocket.d.cts': readFileSync(here('websocket.d.ts'), 'utf8').replace('.js', '.cjs'),
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(built())) {
    // Another process may be reading it.
    writeFileSync(here(`${name}.${process.pid}`), text);
    renameSync(here(`${name}.${process.pid}`), here(name));
  }
}
