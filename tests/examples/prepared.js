// What an example needs before it can be run: an interpreter, its packages.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export const examples = new URL('../../examples/', import.meta.url).pathname;
const cache = new URL('../.cache/examples/', import.meta.url).pathname;
const INSTALL_MS = 120_000; // a registry that takes longer is not there

const works = (command, ...args) => worksIn(undefined, command, ...args);

const worksIn = (folder, command, ...args) => {
  try {
    execFileSync(command, args, { cwd: folder, stdio: 'ignore', timeout: INSTALL_MS });
    return true;
  } catch {
    return false;
  }
};

// Several parts come here at the same time, and what one has installed another may be using.
const alone = (...command) => {
  mkdirSync(cache, { recursive: true });
  return works('flock', `${cache}lock`, ...command);
};

/** Installs an example's packages with npm, if they are not there; says whether they are. */
export function npmPackages(example) {
  const install = 'cmp -s package-lock.json node_modules/.installed || { npm ci --no-audit --no-fund'
    + ' --loglevel=error && cp package-lock.json node_modules/.installed; }';
  return alone('sh', '-c', `cd "$0" && { ${install}; }`, examples + example);
}

/** PHP's command line; null if there is none. */
export const php = () => (works('php', '--version') ? 'php' : null);

/** A Python that has the example's packages, and these; null if there is none. */
export function python(...packages) {
  const own = `${cache}python/bin/python`;
  const make = `${own} -m pip --version || python3 -m venv ${cache}python`;
  const wanted = ['-r', `${examples}python/requirements.txt`, ...packages];
  return alone('sh', '-c', make) && alone(own, '-m', 'pip', 'install', '-q', ...wanted) ? own : null;
}

/** One of the programs in Go, built; null if that is not possible here. */
export function goProgram(name) {
  const program = `${cache}go/${name}`;
  mkdirSync(`${cache}go`, { recursive: true });
  return worksIn(`${examples}go`, 'go', 'build', '-o', program, `./${name}`) ? program : null;
}

/** Skips a test, and says why; where all must run, it fails instead. */
export function missing(t, what) {
  if (process.env.CI === 'true') throw new Error(`${what}, and with CI=true nothing is skipped`);
  t.skip(what);
}
