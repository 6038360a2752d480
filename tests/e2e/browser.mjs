// The system's Chromium, driven by playwright-core, and a page that tells on itself.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

// Modules of the page's node_modules, from outside its folder.
const require = createRequire(new URL('../../www/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser of `CHROME`, else the first on `PATH`; `cargo xtask test` sees that there is one. */
const executablePath = () =>
  process.env.CHROME ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((file) => existsSync(file));

/** Starts a headless browser. */
export const launch = () =>
  chromium.launch({
    executablePath: executablePath(),
    headless: true,
    chromiumSandbox: false, // containers run the tests as root
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-gpu',
      '--disable-quic',
      '--disable-sync',
      '--no-first-run',
    ],
  });

/**
 * Opens a page (on a machine that says it has `memoryGiB`) and records what no page of ours may do: `complaints` (errors and warnings on
 * the console, exceptions, failed requests) and `foreign` (requests to another origin).
 */
export const openPage = async (browser, address, { memoryGiB, ...options } = {}) => {
  const context = await browser.newContext(options);
  if (memoryGiB !== undefined)
    await context.addInitScript((value) => {
      Object.defineProperty(navigator, 'deviceMemory', { value });
    }, memoryGiB);
  const page = await context.newPage();
  const complaints = [];
  const foreign = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && url.origin !== new URL(address).origin) {
      foreign.push(request.url());
    }
  });
  await page.goto(address);
  return { page, complaints, foreign };
};
