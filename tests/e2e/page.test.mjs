// The bundled sample, as somebody meets the page who has brought nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { quantizeWithSample, quantizedAnswers, sampleFile, startEngine } from './engine.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const site = fileURLToPath(new URL('../../www/dist', import.meta.url));
const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };

let browser;
let server;
let page;
let complaints;
let foreign;

// One page for all tests, as one visit; each puts back what it changed.
before(async () => {
  server = await serve(site, { prefix: '/some/folder/' });
  browser = await launch();
  ({ page, complaints, foreign } = await person.openSettled(browser, server.address, {
    viewport: { width: 1440, height: 1100 },
  }));
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** Everything that a moved slider should change. */
const scene = async () => ({
  numbers: await person.headline(page),
  answers: await person.answers(page),
  full: await person.drawn(page, 'map-full'),
  quantized: await person.drawn(page, 'map-quantized'),
  path: await page.getByTestId('path').getAttribute('data-path'),
  bits: await page.getByTestId('weight-bits').inputValue(),
});

test('quantizes and compares the sample without a click', async () => {
  const { size, agreement, attention, signal, latency } = await person.headline(page);
  assert.match(size, /^\d\.\d×$/);
  assert.match(agreement, /^>?\d+\s%$/);
  assert.match(attention, /^−?[01]\.\d\d$/);
  assert.match(signal, /^\d+\.\d dB$/);
  assert.match(latency, /^\d+(\.\d+)? ms$/);
  const rows = await person.answers(page);
  assert.ok(rows.length > 1);
  for (const row of rows)
    assert.match(row.name, /^[a-z]+$/, 'the answers are named by the labels of the sample');
  assert.equal(await page.getByTestId('path').getAttribute('data-path'), 'int8');
});

test('draws both maps on the picture', async () => {
  const withHeat = [
    await person.drawn(page, 'map-full'),
    await person.drawn(page, 'map-quantized'),
  ];
  await person.slide(page, 'overlay', 0);
  await person.settled(page);
  const bare = [await person.drawn(page, 'map-full'), await person.drawn(page, 'map-quantized')];
  await person.slide(page, 'overlay', 0.8);
  await person.settled(page);
  assert.deepEqual(bare[0], bare[1], 'without heat both sides are the same picture');
  assert.ok(bare[0].colours > 100, `${bare[0].colours} colours`);
  for (const map of withHeat) assert.notEqual(map.sum, bare[0].sum, 'the heat covers the picture');
  assert.notEqual(withHeat[0].sum, withHeat[1].sum, 'the two maps are two');
});

test('shows the answers that the engine gives on its own', async () => {
  const engine = await startEngine();
  const quantized = await quantizeWithSample(engine, await sampleFile('sample_resnet.onnx'), int8);
  const { summary } = engine.ask('compare');
  const chosen = Number(
    await page
      .locator('[data-testid="thumbnail"][aria-selected="true"]')
      .getAttribute('data-picture'),
  );
  const { lens } = engine.ask('lens', { picture: chosen, target: null });
  for (const row of await person.answers(page)) {
    const answer = lens.answers.find((one) => one.class === row.class);
    assert.equal(row.name, answer.name);
    // Written with one decimal; the other build of the engine may add in another order.
    assert.ok(
      Math.abs(row.full - 100 * answer.full) < 0.051,
      `${row.name}: ${row.full} is not ${100 * answer.full}`,
    );
    assert.ok(
      Math.abs(row.quantized - 100 * answer.quantized) < 0.051,
      `${row.name}: ${row.quantized} is not ${100 * answer.quantized}`,
    );
  }
  const { size, agreement } = await person.headline(page);
  assert.equal(size, `${(quantized.sizeBytes.full / quantized.sizeBytes.quantized).toFixed(1)}×`);
  assert.equal(agreement.replace(/\s/, ' '), `${Math.round(100 * summary.agreement.value)} %`);
  assert.equal(quantized.path, 'int8');
});

test('measures every node of both networks when asked, and names the kernels', async () => {
  const measure = page.getByTestId('measure');
  assert.equal(await measure.getAttribute('data-state'), 'empty');
  await page.getByTestId('measure-start').click();
  await page.locator('[data-testid="measure"][data-state="current"]').waitFor();
  const rows = await page.getByTestId('node-row').evaluateAll((found) =>
    found.map((row) => ({
      node: row.dataset.node,
      cells: [...row.querySelectorAll('td')].map((cell) => cell.innerText.trim()),
    })),
  );
  const stem = rows.find(({ node }) => node === 'stem/conv');
  const [operator, made, full, quantized, gain] = stem.cells;
  assert.deepEqual([operator, made], ['Conv', '1×16×32×32']);
  assert.match(full, /^\d+\.\d{3} ms\s+f32-tiles$/);
  assert.match(quantized, /^\d+\.\d{3} ms\s+u8-quads$/);
  assert.match(gain, /^\d+(\.\d)?×$/);
  const layers = await page.getByTestId('layer-row').count();
  assert.ok(rows.length > layers, `${rows.length} nodes, ${layers} layers`);
  assert.match(await measure.innerText(), /On integers this network is .* in full precision here/);
});

test('a moved slider changes everything at once, and undo brings it back', async () => {
  const before = await scene();
  await person.slide(page, 'weight-bits', 3);
  await person.settled(page);
  const coarse = await scene();
  assert.notDeepEqual(coarse.answers, before.answers);
  assert.notEqual(coarse.quantized.sum, before.quantized.sum);
  assert.notEqual(coarse.numbers.signal, before.numbers.signal);
  assert.ok(
    person.numeric(coarse.numbers.signal) < person.numeric(before.numbers.signal),
    'fewer bits keep less signal',
  );
  for (const { class: index, full } of coarse.answers) {
    const row = before.answers.find((one) => one.class === index);
    if (row) assert.equal(full, row.full, 'full precision answers as before');
  }
  assert.match(
    await page.getByTestId('path').innerText(),
    coarse.path === 'int8' ? /Real integers/ : /Simulated/,
  );
  assert.match(await page.getByTestId('lens').innerText(), /3-bit weights/);

  await page.getByTestId('undo').click();
  await person.settled(page);
  const again = await scene();
  for (const one of [before, again]) delete one.numbers.latency; // measured anew, never twice the same
  assert.deepEqual(again, before);
});

test('the film strip selects another picture', async () => {
  const before = await scene();
  const other = page.locator('[data-testid="thumbnail"][aria-selected="false"]').first();
  const name = await other.getAttribute('title');
  await other.click();
  await person.settled(page);
  assert.ok((await page.getByTestId('lens').innerText()).includes(name), name);
  const after = await scene();
  assert.notEqual(after.full.sum, before.full.sum);
  assert.notDeepEqual(after.answers, before.answers);
  assert.equal(
    await page.locator('[data-testid="thumbnail"][aria-selected="true"]').getAttribute('title'),
    name,
  );
});

test('the keys change bits and change them back', async () => {
  const after = async (...keys) => {
    for (const key of keys) await page.locator('body').press(key);
    await person.settled(page);
    const value = (id) => page.getByTestId(id).inputValue();
    return `${await value('weight-bits')}/${await value('activation-bits')}`;
  };
  assert.equal(await after('['), '7/8');
  assert.equal(await after('}', '{', '{'), '7/6', 'more than eight there are not');
  assert.equal(await after('Control+z'), '7/8', 'a movement is one step back');
  assert.equal(await after('Control+Shift+z'), '7/6');
  assert.equal(await after('Control+z', 'Control+z'), '8/8');
  assert.equal(await after('Control+y'), '7/8');
  assert.equal(await after(']'), '8/8');
});

test('the arrows move the divider', async () => {
  const swipe = page.getByTestId('swipe');
  const at = async () => {
    await person.settled(page);
    return Number(await swipe.getAttribute('aria-valuenow'));
  };
  // On the strip they walk; a click beside everything leaves it.
  await page.getByTestId('version').click();
  assert.equal(await at(), 50);
  await page.locator('body').press('ArrowRight');
  assert.equal(await at(), 52);
  await page.locator('body').press('Shift+ArrowLeft');
  assert.equal(await at(), 42);
  await swipe.press('End');
  assert.equal(await at(), 100);
  await swipe.press('Space');
  assert.equal(await at(), 50);
  await swipe.blur();
});

test('the keys walk the pictures and explain themselves', async () => {
  const name = () =>
    page.locator('[data-testid="thumbnail"][aria-selected="true"]').getAttribute('title');
  const first = await name();
  await page.locator('body').press('.');
  await person.settled(page);
  assert.notEqual(await name(), first);
  await page.locator('body').press('?');
  await page.getByTestId('keys-dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('keys-dialog').waitFor({ state: 'detached' });
});

test('the link in the address bar opens the same scene again', async () => {
  await person.slide(page, 'weight-bits', 4);
  await page.waitForFunction(() => location.hash.includes('w=4'));
  const address = page.url();
  await page.getByTestId('undo').click();
  const again = await person.openSettled(browser, address);
  assert.equal(await again.page.getByTestId('weight-bits').inputValue(), '4');
  assert.match(await again.page.getByTestId('lens').innerText(), /4-bit weights/);
  assert.deepEqual(again.complaints, []);
  await again.page.context().close();
  await person.settled(page);
});

test('every choice of the recipe fits into its field', async () => {
  const more = page.getByTestId('more-options');
  await more.locator('summary').click();
  const cut = await more.locator('select').evaluateAll((fields) => {
    const pen = document.createElement('canvas').getContext('2d');
    return fields.flatMap((field) => {
      const { fontWeight, fontSize, fontFamily, paddingLeft, paddingRight } =
        getComputedStyle(field);
      pen.font = `${fontWeight} ${fontSize} ${fontFamily}`;
      const room = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      const texts = Array.from(field.options, ({ text }) => text);
      return texts.filter((text) => pen.measureText(text).width > room);
    });
  });
  assert.deepEqual(cut, []);
  await more.locator('summary').click();
});

test('the file taken home is read back with identical logits, and is the engine’s own', async () => {
  const shown = await person.answers(page);
  const layers = await page.getByTestId('layer-row').count();
  const chosen = await page
    .locator('[data-testid="thumbnail"][aria-selected="true"]')
    .getAttribute('title');
  const file = await person.takeHome(page);
  assert.match(file.name, /^sample_resnet\..*\.onnx$/);
  assert.equal(file.check.identical, 'true');
  assert.match(file.check.note, /bit for bit/);

  const engine = await startEngine();
  await quantizeWithSample(engine, await sampleFile('sample_resnet.onnx'), int8);
  const { onnx, verified } = engine.ask('exportModel');
  assert.ok(verified.identical);
  assert.ok(
    engine.bytes(onnx).equals(file.buffer),
    'the page and the engine alone write the same file, byte for byte',
  );
  const reader = await startEngine();
  await quantizeWithSample(reader, file, int8);
  assert.deepEqual(
    quantizedAnswers(reader),
    quantizedAnswers(engine),
    'opened again it answers bit for bit the same',
  );

  // On the page as well, where it is compared with its own definition in float.
  const settings = await sampleFile('preprocessor_config.json'); // a network alone gets a guess
  await person.dropAndSettle(page, [file, settings], file.name.replace('.onnx', ''));
  await page.locator(`[data-testid="thumbnail"][title="${chosen}"]`).click();
  await person.settled(page);
  for (const row of await person.answers(page)) {
    const before = shown.find((one) => one.class === row.class);
    if (before) assert.equal(row.quantized, before.quantized, row.name);
  }
  assert.match(await page.getByTestId('fixed').innerText(), /Quantized already/);
  assert.equal(await page.getByTestId('weight-bits').count(), 0, 'there is nothing to choose');
  assert.equal(await page.getByTestId('layer-row').count(), layers);
  assert.match(await page.getByTestId('layer-row').first().innerText(), /8 \/ 8/);
  assert.equal(await page.getByTestId('problem').count(), 0);
});

test('did all this without a complaint and without another origin', () => {
  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
});
