// The built page on a plain static host: below a sub-path, under the strict policy.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.mjs';
import { serve } from './server.mjs';

const site = fileURLToPath(new URL('../../www/dist', import.meta.url));
const manifest = new URL('../../pkg/package.json', import.meta.url);

let browser;
let server;

before(async () => {
  server = await serve(site, { prefix: '/some/folder/' });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

test('loads the engine at a sub-path, quietly, and asks no other origin', async () => {
  const { page, complaints, foreign } = await openPage(browser, server.address);
  const text = await page.getByTestId('version').innerText();
  assert.ok(text.includes(JSON.parse(await readFile(manifest, 'utf8')).version), text);
  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
});

test('the built page carries the policy itself', async () => {
  const { page } = await openPage(browser, server.address);
  const policy = await page
    .locator('meta[http-equiv="Content-Security-Policy"]')
    .getAttribute('content');
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /connect-src 'self'(;|$)/);
});

test('the policy stops a request to another origin', async () => {
  const { page, foreign } = await openPage(browser, server.address);
  const sent = await page.evaluate(() =>
    fetch('http://127.0.0.1:9/').then(
      () => 'sent',
      () => 'refused',
    ),
  );
  assert.equal(sent, 'refused');
  assert.deepEqual(foreign, []);
});
