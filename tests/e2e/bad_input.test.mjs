// Files that cannot be used: each gets a card that names it, and what was there goes on working.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { sampleFile } from './engine.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const site = fileURLToPath(new URL('../../www/dist', import.meta.url));

let browser;
let server;
let page;
let complaints;

before(async () => {
  server = await serve(site);
  browser = await launch();
  ({ page, complaints } = await person.openSettled(browser, server.address));
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** The sample's network still answers, and still follows the slider. */
const stillWorks = async () => {
  await person.settled(page);
  assert.match(await page.getByTestId('model-pill').innerText(), /Sample network/);
  const before = await person.answers(page);
  await person.slide(page, 'weight-bits', 3);
  await person.settled(page);
  assert.notDeepEqual(await person.answers(page), before);
  await page.getByTestId('undo').click();
  await person.settled(page);
  assert.deepEqual(await person.answers(page), before);
  assert.equal(await page.getByTestId('problem').count(), 0);
};

/** Drops files that are refused; what the card says. */
const refused = async (...files) => {
  await person.drop(page, files);
  return person.readProblem(page);
};

/** A good network of which one operator is one that nobody knows. */
const withUnknownOperator = async () => {
  const { buffer } = await sampleFile('sample_resnet.onnx');
  const at = buffer.indexOf('\x22\x04Relu') + 2; // field 4 of a node, four bytes long
  return Buffer.concat([buffer.subarray(0, at), Buffer.from('Rolu'), buffer.subarray(at + 4)]);
};

test('a network cut short', async () => {
  const { buffer } = await sampleFile('sample_resnet.onnx');
  const card = await refused({ name: 'half.onnx', buffer: buffer.subarray(0, buffer.length / 2) });
  assert.match(card, /The network was not loaded/);
  assert.match(card, /half\.onnx/);
  await stillWorks();
});

test('a picture that calls itself a network', async () => {
  const card = await refused({
    name: 'picture.onnx',
    buffer: (await sampleFile('boat_0.png')).buffer,
  });
  assert.match(card, /picture\.onnx/);
  await stillWorks();
});

test('an empty file that calls itself a network', async () => {
  assert.match(await refused({ name: 'empty.onnx', buffer: Buffer.alloc(0) }), /empty\.onnx/);
  await stillWorks();
});

test('a text that is nothing the page reads', async () => {
  const card = await refused({
    name: 'letter.doc',
    buffer: Buffer.from('Dear engine, this is no network.'),
  });
  assert.match(card, /letter\.doc/);
  assert.match(card, /\.onnx/, 'says what it does read');
  await stillWorks();
});

test('broken settings', async () => {
  assert.match(
    await refused({ name: 'preprocessor_config.json', buffer: Buffer.from('{"size": ') }),
    /preprocessor_config\.json/,
  );
  await stillWorks();
});

test('a network with an operator that nobody knows', async () => {
  await person.drop(page, [{ name: 'odd.onnx', buffer: await withUnknownOperator() }]);
  const report = page.getByTestId('problem-support');
  await report.locator('summary').click();
  const needed = await report.innerText();
  assert.match(needed, /2 of 45 nodes do not need what cannot be read/, 'the two before it');
  assert.match(needed, /1 × Rolu/);
  assert.match(needed, /Can be read: .*\d+ × Conv/);
  const card = await person.readProblem(page);
  assert.match(card, /odd\.onnx/);
  assert.match(card, /stem\/conv\/relu/, 'names the node');
  assert.match(card, /Rolu/, 'names the operator');
  await stillWorks();
});

test('a network that takes no picture', async () => {
  const buffer = await readFile(new URL('../golden/gemm_plain/model.onnx', import.meta.url));
  const card = await refused({ name: 'table.onnx', buffer });
  assert.match(card, /table\.onnx/);
  assert.match(card, /picture|image/);
  await stillWorks();
});

test('pictures of which none can be read leave the sample’s', async () => {
  const before = await page.getByTestId('thumbnail').count();
  const card = await refused({ name: 'noise.png', buffer: Buffer.from('not a picture') });
  assert.match(card, /noise\.png/);
  await stillWorks();
  assert.equal(await page.getByTestId('thumbnail').count(), before);
});

test('a broken picture among good ones is left out', async () => {
  const boat = await sampleFile('boat_1.png');
  const good = [boat, await sampleFile('car_1.png'), await sampleFile('star_1.png')];
  const card = await refused(...good, {
    name: 'torn.png',
    buffer: boat.buffer.subarray(0, boat.buffer.length / 2),
  });
  assert.match(card, /torn\.png/);
  await stillWorks();
  const titles = await page
    .getByTestId('thumbnail')
    .evaluateAll((list) => list.map((one) => one.title));
  assert.deepEqual(titles.sort(), ['boat_1.png', 'car_1.png', 'star_1.png']);
});

test('a network for which there is no picture asks for some', async () => {
  await person.chooseSample(page);
  const buffer = await readFile(new URL('../golden/squeeze_attribute/model.onnx', import.meta.url));
  await person.drop(page, [{ name: 'grey.onnx', buffer }]);
  await page.getByText('Now some pictures').waitFor();
  assert.equal(await page.getByTestId('thumbnail').count(), 0);
  await person.chooseSample(page);
  await stillWorks();
});

test('no bad file made the page stumble', () => {
  assert.deepEqual(complaints, []);
});
