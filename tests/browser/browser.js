// Headless Chromium and the real relay, for tests.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export { startRelay } from '../../clients/js/test/relay.js';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--js-flags=--expose-gc', '--enable-precise-memory-info'];
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SHOTS = new URL('./shots/', import.meta.url).pathname;

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
