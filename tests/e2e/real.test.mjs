// Networks and pictures from outside, dropped by hand: real ones where the data folder is
// (`BITLENS_DATA`, or `shared/data` beside the repository), the sample's files everywhere.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { sampleFile, samplePictures, startEngine } from './engine.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const data = process.env.BITLENS_DATA ?? join(repository, '../shared/data');
const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };

let browser;
let server;

before(async () => {
  server = await serve(join(repository, 'www/dist'));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** A file of the data folder under the name that a person would know it by. */
const dataFile = async (path, name = path.slice(path.lastIndexOf('/') + 1)) => ({
  name,
  buffer: await readFile(join(data, path)),
});

/** Twelve pictures, taken evenly from the folder. */
const realPictures = async () => {
  const names = (await readdir(join(data, 'images/imagenet')))
    .filter((name) => name.endsWith('.JPEG'))
    .sort();
  const step = Math.floor(names.length / 12);
  return Promise.all(
    Array.from({ length: 12 }, (_, index) => dataFile(`images/imagenet/${names[index * step]}`)),
  );
};

/** Both maps are on screen, and they are not one and the same picture. */
const mapsAreDrawn = async (page) => {
  const full = await person.drawn(page, 'map-full');
  const quantized = await person.drawn(page, 'map-quantized');
  assert.ok(full.colours > 100 && quantized.colours > 100, JSON.stringify({ full, quantized }));
  assert.notEqual(full.sum, quantized.sum);
};

/** Drops the files, checks what is shown, takes the network home and reads it back by itself. */
const compareAndTakeHome = async (page, { model, others, pictures }) => {
  // In two drops, as people do: the network with its papers, then the pictures.
  await person.dropAndSettle(page, [model, ...others], model.name.replace('.onnx', ''));
  await person.dropAndSettle(page, pictures);
  assert.equal(await page.getByTestId('thumbnail').count(), pictures.length);

  const { size, agreement, attention, signal, latency } = await person.headline(page);
  assert.ok(person.numeric(agreement) >= 50, agreement);
  assert.ok(person.numeric(attention) > 0.5, attention);
  assert.ok(person.numeric(signal) > 5, signal);
  assert.ok(person.numeric(latency) > 0, latency);
  assert.equal(await page.getByTestId('path').getAttribute('data-path'), 'int8');
  await mapsAreDrawn(page);

  const file = await person.takeHome(page);
  assert.equal(file.check.identical, 'true', file.check.note);
  assert.match(file.check.note, /bit for bit on 3 pictures/);
  assert.equal(size, `${(model.buffer.length / file.buffer.length).toFixed(1)}×`);
  return file;
};

/** An engine that knows nothing of the page makes the same file of the same files. */
const engineMakes = async ({ model, others, pictures }) => {
  const { ask, bytes } = await startEngine();
  ask('loadModel', { name: model.name }, [model.buffer]);
  const preprocess = others.find(({ name }) => name === 'preprocessor_config.json');
  ask('readPreprocess', { name: preprocess.name }, [preprocess.buffer]);
  ask(
    'addPictures',
    { names: pictures.map(({ name }) => name) },
    pictures.map(({ buffer }) => buffer),
  );
  ask('quantize', { recipe: int8 });
  return bytes(ask('exportModel').onnx);
};

test('a dropped network with dropped pictures is compared and taken home', async () => {
  const { page, complaints, foreign } = await person.openSettled(browser, server.address);
  const others = [await sampleFile('preprocessor_config.json'), await sampleFile('labels.json')];
  const dropped = {
    model: { ...(await sampleFile('sample_mobilenet.onnx')), name: 'mine.onnx' },
    others,
    pictures: (await samplePictures()).slice(-12),
  };
  const file = await compareAndTakeHome(page, dropped);
  assert.match((await person.answers(page))[0].name, /^[a-z]+$/);
  assert.ok(
    file.buffer.equals(await engineMakes(dropped)),
    'the page and the engine alone write the same file',
  );
  assert.equal(await page.getByTestId('problem').count(), 0);
  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
  await page.context().close();
});

test('SqueezeNet on photographs, dropped as files', async () => {
  if (!existsSync(join(data, 'models/imagenet/squeezenet_v1.1.onnx'))) {
    console.log('skipped: no data');
    return;
  }
  const { page, complaints, foreign } = await person.openSettled(browser, server.address, {
    viewport: { width: 1440, height: 1100 },
  });
  const others = [
    await dataFile('preprocess/imagenet/squeezenet_v1.1.json', 'preprocessor_config.json'),
    await dataFile('images/imagenet/synset.txt'),
  ];
  const dropped = {
    model: await dataFile('models/imagenet/squeezenet_v1.1.onnx'),
    others,
    pictures: await realPictures(),
  };
  const file = await compareAndTakeHome(page, dropped);
  assert.equal(file.name, 'squeezenet_v1.1.int8.onnx');
  const smaller = dropped.model.buffer.length / file.buffer.length;
  assert.ok(smaller > 3.65 && smaller < 4, `${smaller} times smaller`);

  // The first picture shows a tench, class 0, and the names are ImageNet's.
  await page.locator('[data-testid="thumbnail"][title*="tench"]').click();
  await person.settled(page);
  const rows = await person.answers(page);
  assert.equal(rows.find((row) => row.class === 0)?.name, 'tench', JSON.stringify(rows));
  assert.ok(
    file.buffer.equals(await engineMakes(dropped)),
    'the page and the engine alone write the same file',
  );

  // Opened again, the file answers as it was shown.
  await person.dropAndSettle(page, [file, ...others], file.name.replace('.onnx', ''));
  await page.locator('[data-testid="thumbnail"][title*="tench"]').click();
  await person.settled(page);
  for (const row of await person.answers(page)) {
    const shown = rows.find((one) => one.class === row.class);
    if (shown) assert.equal(row.quantized, shown.quantized, row.name);
  }
  assert.equal(await page.getByTestId('problem').count(), 0);
  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
  await page.screenshot({ path: join(await mkdtemp(join(tmpdir(), 'bitlens-')), 'real.png') });
  await page.context().close();
});
