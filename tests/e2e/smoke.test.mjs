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

test('the policy stops a request that another origin would answer', async () => {
  const other = await serve(site, { headers: { 'Access-Control-Allow-Origin': '*' } });
  try {
    const { page } = await openPage(browser, server.address);
    const outcome = await page.evaluate(
      (address) =>
        fetch(address).then(
          () => 'answered',
          () => 'refused',
        ),
      other.address,
    );
    assert.equal(outcome, 'refused');
  } finally {
    await other.close();
  }
});
