// All the ways in: folders, archives, recipes, the clipboard, data sets of two files.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { apart } from './apart.mjs';
import { launch } from './browser.mjs';
import { sampleFile, samplePictures } from './engine.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const require = createRequire(new URL('../../www/package.json', import.meta.url));
const { zipSync } = require('fflate');
const site = fileURLToPath(new URL('../../www/dist', import.meta.url));

let browser;
let server;
let page;
let complaints;
let folder;

// One page for all tests, as one visit; each begins with the sample.
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitlens-'));
  server = await serve(site);
  browser = await launch();
  ({ page, complaints } = await person.openSettled(browser, server.address));
});

after(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true });
});

/** Writes files below the folder, by their paths; the folder's own path. */
const write = async (files) => {
  for (const [path, buffer] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), buffer);
  }
};

const titles = () =>
  page.getByTestId('thumbnail').evaluateAll((list) => list.map((one) => one.title));

/** Waits for as many pictures, and for all that is shown of them. */
const pictures = async (count) => {
  await page.getByTestId('pictures-pill').getByText(String(count)).waitFor();
  await person.settled(page);
};

const network = async (title) => {
  await page.getByTestId('model-pill').getByText(title, { exact: true }).waitFor();
  await person.settled(page);
};

test('a folder with folders in it, dropped beside a network', async () => {
  const sample = await samplePictures();
  const files = { 'holiday/.DS_Store': 'x', 'holiday/README.md': '# Our holiday' };
  // A folder is read a hundred entries at a time.
  for (let index = 0; index < 110; index++) {
    const { name, buffer } = sample[index % sample.length];
    files[`holiday/at sea/${String(index).padStart(3, '0')} ${name}`] = buffer;
  }
  files['holiday/at home/house_0.png'] = (await sampleFile('house_0.png')).buffer;
  files['my network.onnx'] = (await sampleFile('sample_mobilenet.onnx')).buffer;
  await write(files);
  await person.dropFromDisk(page, [join(folder, 'holiday'), join(folder, 'my network.onnx')]);
  await network('my network');
  await pictures(111);
  assert.equal(await page.getByTestId('problem').count(), 0);
  await page.getByTestId('strip-order').selectOption('file');
  await person.shown(page);
  const names = await titles();
  assert.equal(names[0], 'holiday/at home/house_0.png');
  assert.match(names[110], /^holiday\/at sea\/109 /);
  await page.getByTestId('strip-order').selectOption('changed');
});

test('the window says that it takes the files while they are above it', async () => {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [join(folder, 'my network.onnx')], dragOperationsMask: 1 };
  const send = (type) => session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
  const zone = page.getByTestId('drop-zone');
  await zone.waitFor({ state: 'hidden' });
  await send('dragEnter');
  await send('dragOver');
  await zone.waitFor({ state: 'visible' });
  await send('dragCancel'); // as Escape does
  await zone.waitFor({ state: 'hidden' });
  await session.detach();
});

test('an archive of everything', async () => {
  await person.chooseSample(page);
  const sample = (await samplePictures()).slice(0, 6);
  const inside = Object.fromEntries(sample.map(({ name, buffer }) => [`set/pictures/${name}`, buffer]));
  inside['set/net.onnx'] = (await sampleFile('sample_mobilenet.onnx')).buffer;
  inside['set/labels.json'] = Buffer.from(JSON.stringify(Array.from({ length: 10 }, (_, n) => `thing ${n}`)));
  inside['set/preprocessor_config.json'] = (await sampleFile('preprocessor_config.json')).buffer;
  inside['__MACOSX/set/._net.onnx'] = Buffer.from('x');
  await write({ 'all.zip': zipSync(inside) });
  await person.dropFromDisk(page, [join(folder, 'all.zip')]);
  await network('net');
  await pictures(6);
  assert.match((await person.answers(page))[0].name, /^thing \d$/);
  assert.equal(await page.getByTestId('preprocess').getAttribute('data-source'), 'file');
  assert.equal(await page.getByTestId('problem').count(), 0);
});

test('an archive that is none', async () => {
  await person.drop(page, [{ name: 'broken.zip', buffer: Buffer.from('PK and nothing else') }]);
  const card = await person.readProblem(page);
  assert.match(card, /broken\.zip/);
  assert.match(card, /archive/);
  await person.settled(page);
});

test('a recipe moves the sliders, and undo moves them back', async () => {
  await person.chooseSample(page);
  const recipe = { schema: 1, preset: 'int8', weightBits: 4, activationBits: 6 };
  await write({ 'my recipe.json': JSON.stringify(recipe) });
  await person.dropFromDisk(page, [join(folder, 'my recipe.json')]);
  const bits = () => Promise.all(['weight-bits', 'activation-bits'].map((id) => page.getByTestId(id).inputValue()));
  await page.waitForFunction(() => document.querySelector('[data-testid="weight-bits"]').value === '4');
  await person.settled(page);
  assert.deepEqual(await bits(), ['4', '6']);
  assert.match(await page.getByTestId('lens').innerText(), /4-bit weights, 6-bit activations/);
  await page.getByTestId('undo').click();
  await person.settled(page);
  assert.deepEqual(await bits(), ['8', '8']);

  await person.drop(page, [{ name: 'odd.json', buffer: Buffer.from(JSON.stringify({ ...recipe, weightBits: 40 })) }]);
  const card = await person.readProblem(page);
  assert.match(card, /odd\.json/);
  assert.match(card, /weightBits is 40/);
  assert.deepEqual(await bits(), ['8', '8']);
});

test('a picture from the clipboard', async () => {
  await person.chooseSample(page);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const png = (await sampleFile('cup_0.png')).buffer.toString('base64');
  const copy = (type, base64) =>
    page.evaluate(
      async ([mime, data]) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const item = new ClipboardItem({ [mime]: new Blob([bytes], { type: mime }) });
        await navigator.clipboard.write([item]);
      },
      [type, base64],
    );
  await copy('text/plain', Buffer.from('no picture').toString('base64'));
  await page.locator('body').press('Control+v');
  await person.settled(page);
  assert.equal(await page.getByTestId('thumbnail').count(), 20, 'text is nothing to open');
  await copy('image/png', png);
  await page.locator('body').press('Control+v');
  await pictures(1);
  await page.locator('body').press('Control+v');
  await pictures(2);
  const files = await page.evaluateHandle(() => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(['{"schema": 9, "preset": "int8"}'], 'copied.json'));
    dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
  });
  await files.dispose();
  assert.match(await person.readProblem(page), /copied\.json/, 'copied files keep their names');
  const names = await titles();
  assert.equal(new Set(names).size, 2, 'two pasted pictures have two names');
  for (const name of names) assert.match(name, /^pasted .*\.png$/);
});

/** An idx file: pictures of one grey each, or labels. */
const idx = (axes, values) => {
  const header = Buffer.alloc(4 + 4 * axes.length);
  header[2] = 8;
  header[3] = axes.length;
  axes.forEach((size, at) => header.writeUInt32BE(size, 4 + 4 * at));
  return Buffer.concat([header, values]);
};

test('a data set in two files, its labels first', async () => {
  await person.chooseSample(page);
  const grey = Buffer.concat(Array.from({ length: 12 }, (_, index) => Buffer.alloc(28 * 28, 20 * index)));
  await write({
    'mnist/t10k-images-idx3-ubyte': idx([12, 28, 28], grey),
    'mnist/t10k-labels-idx1-ubyte': idx([12], Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])),
  });
  const files = ['t10k-labels-idx1-ubyte', 't10k-images-idx3-ubyte'];
  await person.dropFromDisk(page, files.map((name) => join(folder, 'mnist', name)));
  await pictures(12);
  assert.equal(await page.getByTestId('problem').count(), 0);
  assert.match(await page.getByTestId('truth').innerText(), /True class/);
  await page.getByTestId('pictures-pill').click();
  await page.getByText('The true class of 12 is known.').waitFor();
  await page.keyboard.press('Escape');
});

test('a network whose weights are in files beside it', async () => {
  await person.chooseSample(page);
  const whole = (await sampleFile('sample_mobilenet.onnx')).buffer;
  await person.drop(page, [{ name: 'whole.onnx', buffer: whole }]);
  await network('whole');
  const answers = await person.answers(page);
  await person.chooseSample(page);

  const { model, files } = apart(whole, ['net.onnx.data', 'rest/conv.weight']);
  assert.ok(model.length < whole.length / 2, `${model.length} of ${whole.length} bytes are left`);
  await person.drop(page, [{ name: 'net.onnx', buffer: model }, (await samplePictures())[0]]);
  const card = await person.readProblem(page);
  assert.match(card, /`net\.onnx\.data`, which is missing\. Also missing: `rest\/conv\.weight`/);
  assert.match(card, /what you dropped is kept/);
  await person.settled(page);
  assert.equal(await page.getByTestId('model-pill').getByText('Sample network').count(), 1);

  await person.drop(page, files.map(({ name, buffer }) => ({ name: name.split('/').pop(), buffer })));
  await network('net');
  await pictures(1);

  await person.chooseSample(page);
  const entries = files.map(({ name, buffer }) => [`apart/${name}`, buffer]);
  await write({ 'apart/net in a folder.onnx': model, ...Object.fromEntries(entries) });
  await person.dropFromDisk(page, [join(folder, 'apart')]);
  await network('net in a folder');
  assert.deepEqual(await person.answers(page), answers);

  await person.chooseSample(page);
  await write({ 'apart.zip': zipSync({ 'net in an archive.onnx': model, ...Object.fromEntries(entries) }) });
  await person.dropFromDisk(page, [join(folder, 'apart.zip')]);
  await network('net in an archive');
  assert.deepEqual(await person.answers(page), answers);
  assert.equal(await page.getByTestId('problem').count(), 0);
});

test('a device with little memory is asked first', async () => {
  const { page: phone, complaints: said } = await person.openSettled(browser, server.address, {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
    memoryGiB: 0.015, // that the sample networks, of 0.3 MB, are too much for
  });
  const network = { name: 'net.onnx', buffer: (await sampleFile('sample_mobilenet.onnx')).buffer };
  await person.drop(phone, [network]);
  const card = phone.getByTestId('problem');
  await card.waitFor();
  assert.match(await card.innerText(), /may be too large.*takes about \d.MB of memory.*Beyond 4.MB/s);
  assert.match(await phone.getByTestId('model-pill').innerText(), /Sample network/);
  await phone.getByTestId('try-anyway').click();
  await phone.getByTestId('model-pill').getByText('net', { exact: true }).waitFor();
  await person.settled(phone);
  assert.equal(await card.count(), 0);
  assert.deepEqual(said, []);
  await phone.context().close();
});

test('what cannot fit is refused in words, and what was there stays', async () => {
  const { page: device, complaints: said } = await person.openSettled(browser, server.address, { memoryGiB: 0.004 });
  const answers = await person.answers(device);
  await person.drop(device, [{ name: 'net.onnx', buffer: (await sampleFile('sample_resnet.onnx')).buffer }]);
  const card = device.getByTestId('problem');
  await card.waitFor();
  assert.match(await card.innerText(), /Too large for this browser.*takes at least \d.MB of memory. A page here can have 4.MB at most.*smaller network/s);
  assert.equal(await device.getByTestId('try-anyway').count(), 0);
  assert.match(await device.getByTestId('model-pill').innerText(), /Sample network/);
  assert.deepEqual(await person.answers(device), answers);
  assert.deepEqual(said, []);
  await device.context().close();
});

test('nothing of this made the page stumble', () => {
  assert.deepEqual(complaints, []);
});
