// For everybody: no serious finding of axe in either colour scheme, and no sideways scrolling on a phone.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const require = createRequire(new URL('../../www/package.json', import.meta.url));
const site = fileURLToPath(new URL('../../www/dist', import.meta.url));

let browser;
let server;

before(async () => {
  server = await serve(site);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** What axe finds serious or critical, as lines of rule and element. */
const findings = async (page) => {
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ['violations'] }),
  );
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return grave.flatMap(({ id, nodes }) =>
    nodes.map(({ target, any }) => `${id}: ${target} ${any[0]?.message ?? ''}`),
  );
};

/** Takes bits away until answers differ, and finds out why. */
const diagnose = async (page) => {
  await person.slide(page, 'weight-bits', 3);
  await person.settled(page);
  await page.getByTestId('triage-start').click();
  await page.getByTestId('diagnosis').waitFor();
  await person.settled(page);
};

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious, ${colorScheme}, on the page and in its dialogs`, async () => {
    // The page's policy would refuse axe as it refuses any other foreign script.
    const { page } = await person.openSettled(browser, server.address, {
      colorScheme,
      bypassCSP: true,
      reducedMotion: 'reduce',
    });
    await page.addScriptTag({ path: require.resolve('axe-core') });
    assert.deepEqual(await findings(page), []);
    await diagnose(page);
    assert.deepEqual(await findings(page), [], 'with a diagnosis');
    await page.getByTestId('headline-agreement').click();
    assert.deepEqual(await findings(page), [], 'with an explanation open');
    await page.keyboard.press('Escape');
    const dialogs = { 'take-home': 'take-home-dialog', 'preprocess-edit': 'preprocess-dialog' };
    for (const [button, dialog] of Object.entries(dialogs)) {
      await page.getByTestId(button).click();
      await page.getByTestId(dialog).waitFor();
      if (button === 'take-home') await page.getByTestId('verified').waitFor();
      assert.deepEqual(await findings(page), [], dialog);
      await page.keyboard.press('Escape');
      await page.getByTestId(dialog).waitFor({ state: 'detached' });
    }
    await person.drop(page, [{ name: 'broken.onnx', buffer: Buffer.from('no network') }]);
    await page.getByTestId('problem').waitFor();
    assert.deepEqual(await findings(page), [], 'with a problem card');
    await page.context().close();
  });
}

test('fits a phone without scrolling sideways', async () => {
  const { page } = await person.openSettled(browser, server.address, {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  });
  const widths = () =>
    page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
  assert.deepEqual(await widths(), [390, 390]);
  await diagnose(page);
  assert.deepEqual(await widths(), [390, 390], 'with a diagnosis');
  await page.getByTestId('take-home').click();
  await page.getByTestId('verified').waitFor();
  assert.deepEqual(await widths(), [390, 390], 'with a dialog open');
  await page.context().close();
});
