// The Chinese README says all that the English one says: the same parts, tables and commands.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

/** What does not depend on the language: headings, rows, bullets, code, links, figures. */
function skeleton(text) {
  return text.split(/^(?=## )/m).map((part) => ({
    headings: [...part.matchAll(/^#+/gm)].map(String),
    rows: [...part.matchAll(/^\|.*\|$/gm)]
      .map(([row]) => row.replace(/\\\|/g, '').split('|').length),
    bullets: [...part.matchAll(/^- /gm)].length,
    commands: [...part.matchAll(/^ {4}(\S.*)$/gm)].map((found) => found[1]),
    code: [...part.matchAll(/`([^`\n]+)`/g)].map((found) => found[1]).sort(),
    links: [...part.matchAll(/\]\(([^)]+)\)/g)].map((found) => found[1]).sort(),
    first: [...part.matchAll(/^\| *(`[^`]+`|\d+)/gm)].map((found) => found[1]),
    // Written with digits in both languages; words such as "one" are each language's own.
    figures: [...part.matchAll(/\d[\d,.]*\d/g)].map(String).sort(),
  }));
}

test('README.zh-CN.md has everything that README.md has', () => {
  const [english, chinese] = ['README.md', 'README.zh-CN.md'].map((name) => skeleton(read(name)));
  assert.equal(chinese.length, english.length);
  english.forEach((part, number) => assert.deepEqual(chinese[number], part, `part ${number}`));
});
