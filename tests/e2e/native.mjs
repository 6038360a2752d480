// The command line, for tests that hold it against the page.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const inside = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The folder of the bundled sample. */
export const sampleFolder = inside('www/public/sample');

/** The program, where one was built. */
export const nativeProgram = () =>
  ['checked', 'release'].map((name) => inside(`target/${name}/bitlens`)).find(existsSync);

/** Works in a folder that is gone afterwards. */
export const inNewFolder = async (work) => {
  const folder = mkdtempSync(join(tmpdir(), 'bitlens-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
