// What a person does on the page and sees there.
import { readFile } from 'node:fs/promises';
import { openPage } from './browser.mjs';

/** Long enough for the sample on a slow and busy machine; nothing waits for it to pass. */
export const PATIENCE_MS = 120_000;

const HEADLINE = ['size', 'agreement', 'attention', 'signal', 'latency'];

/** Opens the page and waits until the sample is quantized, compared and measured. */
export const openSettled = async (browser, address, options) => {
  const opened = await openPage(browser, address, options);
  opened.page.setDefaultTimeout(PATIENCE_MS);
  await settled(opened.page);
  return opened;
};

/** Waits until the page shows what it was told last: it draws once a frame. */
export const shown = (page) =>
  page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );

/** Waits until everything shown belongs to the settings that are shown, and nothing runs. */
export const settled = async (page) => {
  await shown(page);
  await page.waitForFunction(
    (names) => {
      const find = (id) => document.querySelector(`[data-testid="${id}"]`);
      const current = names.every((name) => find(`headline-${name}`)?.dataset.state === 'current');
      const lens = find('lens')?.dataset.current === 'true';
      return current && lens && find('app').dataset.busy === 'false';
    },
    HEADLINE,
    { timeout: PATIENCE_MS },
  );
  // What stands beside the answers is drawn after them.
  await shown(page);
};

/** The headline numbers as they are written, `–` where there is none. */
export const headline = (page) =>
  page.evaluate((names) => {
    const value = (name) => document.querySelector(`[data-testid="headline-${name}"] .value`);
    return Object.fromEntries(names.map((name) => [name, value(name).innerText.trim()]));
  }, HEADLINE);

/** A headline number as a number; the page writes a real minus sign. */
export const numeric = (text) => Number.parseFloat(text.replace('−', '-'));

/** The rows of the table of answers: class, name, and per cent of both networks. */
export const answers = (page) =>
  page.evaluate(() =>
    Array.from(document.querySelectorAll('[data-testid="answer"]'), (row) => ({
      class: Number(row.dataset.class),
      name: row.querySelector('th').firstChild.textContent.trim(),
      full: Number(row.querySelector('td.full').textContent),
      quantized: Number(row.querySelector('td.quantized').textContent),
    })),
  );

/** What the canvas of a map holds: its pixels as one number, and how many colours they have. */
export const drawn = (page, testid) =>
  page.evaluate((id) => {
    const canvas = document.querySelector(`[data-testid="${id}"]`);
    // Read from a copy: Chromium complains about reading a canvas that is made for drawing.
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer);
    const sum = pixels.reduce((hash, pixel) => (Math.imul(hash, 31) + pixel) | 0, 7);
    return { sum, colours: new Set(pixels).size };
  }, testid);

/** Moves a slider; the page acts while it moves. */
export const slide = (page, testid, value) => page.getByTestId(testid).fill(String(value));

/** Drops files (`name`, `buffer`) onto the page, as from a folder beside the window. */
export const drop = async (page, files) => {
  const input = await page.evaluateHandle(() =>
    Object.assign(document.createElement('input'), { type: 'file', multiple: true }),
  );
  await input
    .asElement()
    .setInputFiles(files.map((file) => ({ mimeType: 'application/octet-stream', ...file })));
  await input.evaluate(({ files: chosen }) => {
    const dataTransfer = new DataTransfer();
    for (const file of chosen) dataTransfer.items.add(file);
    const about = { bubbles: true, cancelable: true, dataTransfer };
    for (const type of ['dragenter', 'dragover', 'drop'])
      document.body.dispatchEvent(new DragEvent(type, about));
  });
};

/** Drops files that the page takes, and waits for the results; `network` is the pill's new title. */
export const dropAndSettle = async (page, files, network) => {
  const pictures = page.getByTestId('pictures-pill');
  const before = await pictures.innerText();
  await drop(page, files);
  if (network) await page.getByTestId('model-pill').getByText(network, { exact: true }).waitFor();
  else
    await page.waitForFunction(
      (text) => document.querySelector('[data-testid="pictures-pill"]').innerText !== text,
      before,
    );
  await settled(page);
};

/** Chooses the bundled network and its pictures again. */
export const chooseSample = async (page) => {
  await page.getByTestId('model-pill').click();
  await page.getByTestId('sample-resnet').click();
  await page.getByTestId('model-pill').getByText('Sample network', { exact: true }).waitFor();
  await settled(page);
};

/** Opens “Take home”, waits for the check of the file and downloads it: `name` and `buffer`. */
export const takeHome = async (page) => {
  await page.getByTestId('take-home').click();
  const verified = page.getByTestId('verified');
  await verified.waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByTestId('download-model').click(),
  ]);
  const buffer = await readFile(await download.path());
  const check = {
    identical: await verified.getAttribute('data-identical'),
    note: await verified.innerText(),
  };
  await page.keyboard.press('Escape');
  return { name: download.suggestedFilename(), buffer, check };
};

/** The text of the newest problem card, once there is one; the card is then dismissed. */
export const readProblem = async (page) => {
  const card = page.getByTestId('problem').last();
  await card.waitFor();
  const text = await card.innerText();
  await card.getByTestId('problem-dismiss').click();
  await shown(page);
  return text;
};

/** Drops files and folders of the disk, as from a file manager: the page gets real directory entries. */
export const dropFromDisk = async (page, paths) => {
  const { width, height } = page.viewportSize();
  const [x, y] = [width / 2, height / 2];
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  const session = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'])
    await session.send('Input.dispatchDragEvent', { type, x, y, data });
  await session.detach();
};
