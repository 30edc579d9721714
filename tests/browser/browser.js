// Headless Chromium and the real relay, for tests.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--js-flags=--expose-gc', '--enable-precise-memory-info'];
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const BIN = process.env.FANFARE_BIN
  ?? new URL('../../target/release/fanfare', import.meta.url).pathname;
const SHOTS = new URL('./shots/', import.meta.url).pathname;

/** Starts a relay on `port` (0: any); gives its address and how to stop it. */
export async function startRelay(flags = [], port = 0) {
  const child = spawn(BIN, ['--listen', `127.0.0.1:${port}`, '--log-level', 'warn', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /listens on (127\.0\.0\.1:(\d+))/.exec(line);
    if (!found) continue;
    const stop = (signal = 'SIGTERM') => { child.kill(signal); return ended; };
    return { port: Number(found[2]), http: `http://${found[1]}`, ws: `ws://${found[1]}`, stop };
  }
  throw new Error(`${BIN} did not start`);
}

/** Starts a browser with a profile of its own; `flags` are more of Chromium's. */
export async function startBrowser(options = {}, flags = []) {
  const profile = mkdtempSync(join(tmpdir(), 'fanfare-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM, args: [...FLAGS, ...flags], viewport: { width: 1000, height: 720 }, ...options,
  });
  const stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, stop };
}

/**
 * Opens a page and keeps every complaint: errors in the console, exceptions, requests elsewhere.
 * `allowed` are complaints that the test causes itself.
 */
export async function openPage(context, url, allowed = []) {
  const page = await context.newPage();
  const complaints = [];
  const complain = (what) => {
    if (!allowed.some((pattern) => pattern.test(what))) complaints.push(what);
  };
  page.on('console', (message) => { if (message.type() === 'error') complain(message.text()); });
  page.on('pageerror', (error) => complain(`${error}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complain(`asked ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** Keeps a screenshot. */
export async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}${name}.png` });
}
