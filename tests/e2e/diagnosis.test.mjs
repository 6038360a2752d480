// What went wrong, as somebody finds out who has taken too many bits away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { quantizeWithSample, sampleFile, startEngine } from './engine.mjs';
import { inNewFolder, nativeProgram, sampleFolder as sample } from './native.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const inside = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Three bits are too few for the first layer of the sample, and for no other. */
const recipe = { schema: 2, preset: 'int8', weightBits: 3, activationBits: 8 };
const PICTURES = 64;

let browser;
let server;
let page;
let complaints;
/** What the engine alone says of it. */
let engine;
let expected;

before(async () => {
  engine = await startEngine();
  await quantizeWithSample(engine, await sampleFile('sample_resnet.onnx'), recipe);
  server = await serve(inside('www/dist'));
  browser = await launch();
  ({ page, complaints } = await person.openSettled(browser, server.address, {
    viewport: { width: 1440, height: 1100 },
  }));
  await person.slide(page, 'weight-bits', 3);
  await person.settled(page);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

const triage = (state) => page.locator(`[data-testid="triage"][data-state="${state}"]`);
const agreement = async () => person.numeric((await person.headline(page)).agreement);
const heads = () => page.getByTestId('layers').locator('thead th').allInnerTexts();

/** One step, and the phase that it was in. */
const phase = ({ step }) => step(0).events.find(({ kind }) => kind === 'progress')?.phase;

/** Steps until a phase; how many they were. */
const stepsUntil = (wanted) => {
  for (let steps = 1; ; steps++) if (phase(engine) === wanted) return steps;
};

test('one that was interrupted goes on, unless something has changed', () => {
  const args = { recipe, pictures: PICTURES };
  const shown = engine.ask('compare');
  engine.begin('diagnose', args);
  assert.ok(stepsUntil('quantizing layer by layer') > 40, 'each picture is a step');
  engine.ask('lens', { picture: 20, target: null });
  engine.begin('diagnose', args);
  assert.equal(stepsUntil('quantizing layer by layer'), 1, 'it goes on where it was');
  engine.ask('quantize', { recipe });
  engine.begin('diagnose', args);
  assert.ok(stepsUntil('quantizing layer by layer') > 20, 'it begins anew');
  expected = engine.ask('diagnose', args).diagnosis;
  assert.deepEqual(engine.ask('compare'), shown, 'what was quantized is there as before');
  assert.throws(
    () => engine.ask('diagnose', { recipe, pictures: 0 }),
    (error) => error.code === 'session/no-pictures',
  );
});

test('the command line says the same', async (t) => {
  const program = nativeProgram();
  if (!program) return t.skip('no native build');
  await inNewFolder((folder) => {
    const asked = join(folder, 'recipe.json');
    writeFileSync(asked, JSON.stringify(recipe));
    const text = execFileSync(program, [
      ...['diagnose', join(sample, 'sample_resnet.onnx'), '--data', sample, '--json'],
      ...['--labels', join(sample, 'pictures.json'), '--classes', join(sample, 'labels.json')],
      ...['--preprocess', join(sample, 'preprocessor_config.json'), '--recipe', asked],
      ...['--pictures', String(PICTURES)],
    ]);
    const native = JSON.parse(text);
    assert.deepEqual(native.suggestion.recipe, expected.suggestion.recipe);
    const named = ({ findings }) =>
      findings.map(({ cause, layer, remedy }) => [cause, layer, remedy?.title]);
    assert.deepEqual(named(native), named(expected));
    // Sums of real numbers differ in their last bits: another instruction set adds in another order.
    const close = (mine, other, what) => {
      assert.equal(mine.agreement, other.agreement, what);
      const most = 1e-3 * other.kl + 1e-6;
      assert.ok(Math.abs(mine.kl - other.kl) <= most, `${what}: ${mine.kl}, ${other.kl}`);
    };
    for (const part of ['before', 'weightsOnly', 'activationsOnly'])
      close(expected[part], native[part], part);
    close(expected.suggestion.after, native.suggestion.after, 'after');
    assert.equal(expected.layers.length, native.layers.length);
    for (const [at, { layer, alone }] of native.layers.entries()) {
      assert.equal(expected.layers[at].layer, layer);
      close(expected.layers[at].alone, alone, layer);
    }
  });
});

test('an invitation says how many answers differ, and looking can be stopped', async () => {
  const { images, agreement: same } = expected.before;
  const differ = images - Math.round(same * images);
  const text = await triage('poor').innerText();
  assert.match(text, new RegExp(`Answers differ on ${differ} of ${images} pictures`));
  await page.getByTestId('triage-start').click();
  await triage('running').getByText(/\d of \d+/).waitFor();
  await triage('running').getByRole('button', { name: 'Stop' }).click();
  await triage('stopped').waitFor();
  assert.equal(await page.getByTestId('diagnosis').count(), 0);
  assert.ok(!(await heads()).some((head) => head.includes('alone loses')));
});

test('the page stays live meanwhile, and finds what the engine finds', async () => {
  await page.getByTestId('triage-start').click();
  await triage('running').waitFor();
  const other = page.locator('[data-testid="thumbnail"][aria-selected="false"]').first();
  const name = await other.getAttribute('title');
  await other.click();
  await page.getByTestId('lens').getByText(name).waitFor();
  await triage('known').waitFor();
  assert.equal(await page.getByTestId('diagnosis-summary').innerText(), expected.summary);
  for (const part of ['whole', 'weights', 'activations']) {
    const of = { whole: 'before', weights: 'weightsOnly', activations: 'activationsOnly' }[part];
    const row = page.locator(`[data-testid="diagnosis-part"][data-part="${part}"]`);
    const percent = Math.round(100 * expected[of].agreement);
    assert.match(await row.innerText(), new RegExp(`\\b${percent}\\s%`));
  }
  const found = await page
    .getByTestId('finding')
    .evaluateAll((rows) => rows.map(({ dataset }) => [dataset.cause, dataset.layer]));
  assert.deepEqual(
    found,
    expected.findings.map(({ cause, layer }) => [cause, layer ?? '']),
  );
  assert.deepEqual(found, [['fewWeightLevels', 'stem/conv']]);
});

test('a finding shows its layer, with what that loses alone', async () => {
  await page.getByTestId('finding-layer').click();
  await person.shown(page);
  const row = page.locator('[data-testid="layer-row"][data-layer="stem/conv"]');
  assert.equal(await row.getAttribute('data-chosen'), 'true');
  const column = (await heads()).findIndex((head) => head.includes('alone loses'));
  const lost = expected.layers.find(({ layer }) => layer === 'stem/conv').alone.kl;
  const cell = await row.locator('th, td').nth(column).innerText();
  assert.equal(person.numeric(cell).toFixed(2), lost.toFixed(2));
});

test('a link to the findings leaves the settings alone', async () => {
  await triage('known').getByRole('link').click();
  await person.shown(page);
  assert.equal(await page.getByTestId('weight-bits').inputValue(), '3');
  await page.waitForFunction(() => location.hash.includes('w=3'));
});

test('the remedy is one click, is measured on the page, and can be undone', async () => {
  const before = await agreement();
  await page.getByTestId('remedy').click();
  await person.settled(page);
  const { change } = expected.findings[0].remedy;
  assert.equal(await agreement(), Math.round(100 * change.after.agreement));
  assert.ok((await agreement()) > before + 20, `${before} %, then ${await agreement()} %`);
  const rows = page.locator('[data-testid="layer-row"][data-layer="stem/conv"]');
  assert.match(await rows.innerText(), /8 \/ 8/, 'its weights have eight bits now');
  assert.equal(await page.getByTestId('diagnosis').getAttribute('data-state'), 'outdated');
  assert.ok(!(await heads()).some((head) => head.includes('alone loses')));
  await page.getByTestId('undo').click();
  await person.settled(page);
  assert.equal(await agreement(), before);
  assert.equal(await page.getByTestId('diagnosis').getAttribute('data-state'), 'current');
});

test('pictures that are prepared wrongly are found, and prepared otherwise by a click', async () => {
  const { buffer } = await sampleFile('preprocessor_config.json');
  const wrong = { ...JSON.parse(buffer.toString()), rescale_factor: 1 };
  const pictures = page.getByTestId('preprocess');
  const before = await pictures.innerText();
  await person.drop(page, [
    { name: 'preprocessor_config.json', buffer: Buffer.from(JSON.stringify(wrong)) },
  ]);
  await page.waitForFunction(
    (text) => document.querySelector('[data-testid="preprocess"]').innerText !== text,
    before,
  );
  await person.settled(page);
  assert.equal(await page.getByTestId('diagnosis').count(), 0, 'it was of other pictures');
  await page.getByTestId('triage-start').click();
  await triage('known').waitFor();
  const finding = page.getByTestId('finding');
  assert.equal(await finding.getAttribute('data-cause'), 'inputRange');
  assert.match(await finding.innerText(), /full precision right/);
  const otherwise = await pictures.innerText();
  await page.getByTestId('remedy').click();
  await page.getByTestId('notice').getByText(/Prepare pictures as .*: done/).waitFor();
  await person.settled(page);
  assert.match(await pictures.innerText(), /Edited here/);
  assert.notEqual(await pictures.innerText(), otherwise);
  assert.equal(await page.getByTestId('diagnosis').count(), 0);
});

test('ranges that are found while running are refused in words', async () => {
  await page.getByTestId('more-options').locator('summary').click();
  await page.getByTestId('option-activationRange').selectOption('dynamic');
  await person.settled(page);
  await page.getByTestId('triage-start').click();
  assert.match(await person.readProblem(page), /`dynamic` quantizes an activation only together/);
  assert.deepEqual(complaints, []);
});
