// Without a network, and from one build to the next: what the service worker keeps.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const built = fileURLToPath(new URL('../../www/dist', import.meta.url));
const hasThreads = existsSync(new URL('../../pkg/threads/start.js', import.meta.url));

let browser;
let site;
let server;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

// Each test has a site of its own, since it changes it.
beforeEach(async (context) => {
  site = await mkdtemp(join(tmpdir(), 'bitlens-'));
  await cp(built, site, { recursive: true });
  server = await serve(site, { prefix: '/some/folder/' });
  context.after(async () => {
    await server.close();
    await rm(site, { recursive: true });
  });
});

/** Waits until the page says that it works offline. */
const kept = (page) => page.getByTestId('offline').waitFor();

/** The names of the caches, and the files of the last of them. */
const caches = (page) =>
  page.evaluate(async () => {
    const names = await globalThis.caches.keys();
    const cache = await globalThis.caches.open(names.at(-1));
    return { names, files: (await cache.keys()).map(({ url }) => url) };
  });

/** Writes another page into the site, and into the service worker what `listed` says is its hash. */
const deploy = async (title, listed = (html) => html) => {
  const [page, worker] = [join(site, 'index.html'), join(site, 'sw.js')];
  const html = (await readFile(page, 'utf8')).replace(/<title>.*<\/title>/, `<title>${title}</title>`);
  const hash = createHash('sha256').update(listed(html)).digest('base64');
  const code = (await readFile(worker, 'utf8'))
    .replace(/"version":"[^"]*"/, `"version":"${title}"`)
    .replace(/"\.\/":"[^"]*"/, `"./":"sha256-${hash}"`);
  await writeFile(page, html);
  await writeFile(worker, code);
};

/** Looks for a newer service worker, as browsers do at every visit; the state in which it ends. */
const look = (page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update().catch(() => {});
    const fresh = registration.installing ?? registration.waiting;
    if (!fresh) return 'none';
    while (!['installed', 'redundant'].includes(fresh.state))
      await new Promise((change) => fresh.addEventListener('statechange', change, { once: true }));
    return fresh.state;
  });

test('loaded once, the page compares its sample with the server gone', async () => {
  const { page, complaints } = await person.openSettled(browser, server.address);
  const before = await person.headline(page);
  await kept(page);
  const { names, files } = await caches(page);
  assert.equal(names.length, 1);
  const wasm = files.filter((file) => file.endsWith('.wasm'));
  assert.equal(wasm.length, hasThreads ? 3 : 2, 'all builds of the engine');
  await server.close();
  await page.reload();
  await person.settled(page);
  const offline = await person.headline(page);
  for (const numbers of [before, offline]) delete numbers.latency; // measured anew
  assert.deepEqual(offline, before);
  assert.equal(await page.getByTestId('thumbnail').locator('img').count(), 20);
  await page.getByTestId('model-pill').click();
  await page.getByTestId('sample-mobilenet').click();
  await page.getByTestId('model-pill').getByText('MobileNet').waitFor();
  await person.settled(page);
  assert.equal(await page.getByTestId('problem').count(), 0);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a site that changed while it was fetched is not kept', async () => {
  const { page } = await openPage(browser, server.address);
  await kept(page);
  const before = await caches(page);
  await deploy('half', (html) => `${html} `);
  assert.equal(await look(page), 'redundant');
  await page.reload();
  await kept(page);
  assert.equal(await page.title(), 'Bitlens');
  assert.deepEqual(await caches(page), before);
  await page.context().close();
});

test('a newer build takes over at a visit, whole, and only when no tab runs the older one', async () => {
  const { page } = await openPage(browser, server.address);
  await kept(page);
  await page.reload(); // the first visit came from the server
  await kept(page);
  await deploy('newer');
  assert.equal(await look(page), 'installed');
  const other = await page.context().newPage();
  await other.goto(server.address);
  await kept(other);
  assert.equal(await other.title(), 'Bitlens', 'beside an older tab a new one is of the same build');
  await other.close();
  await page.reload();
  await page.waitForFunction(() => document.title === 'newer');
  await kept(page);
  const { names, files } = await caches(page);
  assert.equal(names.length, 1, 'the older build is gone');
  assert.match(names[0], /newer$/);
  assert.ok(files.length > 90, `${files.length} files`);
  await page.context().close();
});
