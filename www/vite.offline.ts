/**
 * Tells the service worker which files the build consists of: after everything is written, the
 * list of what stands in the output folder, with hashes, takes the place of `__BUILD__` in it.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Plugin } from 'vite';
import type { Build } from './src/offline/plan';

export const SERVICE_WORKER = 'sw.js';

/** Files of the site that the page never asks for. */
const UNUSED = /(^|\/)README\.md$/;

export const offline: Plugin = {
  name: 'offline',
  apply: 'build',
  writeBundle: {
    order: 'post',
    sequential: true,
    async handler({ dir = 'dist' }) {
      const file = join(dir, SERVICE_WORKER);
      const code = await readFile(file, 'utf8');
      if (!code.includes('__BUILD__')) throw new Error(`${SERVICE_WORKER} has no place for the list of files`);
      await writeFile(file, code.replace('__BUILD__', JSON.stringify(await listed(dir))));
    },
  },
};

/** The same files give the same version, in whatever order the folder lists them. */
async function listed(folder: string): Promise<Build> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(join(folder, sep).length).replaceAll(sep, '/'));
  const wanted = paths.filter((path) => path !== SERVICE_WORKER && !UNUSED.test(path)).sort();
  const hashes = await Promise.all(wanted.map(async (path) => hash('sha256', await readFile(join(folder, path)))));
  const files = Object.fromEntries(wanted.map((path, index) => [path === 'index.html' ? './' : path, `sha256-${hashes[index]}`]));
  return { version: hash('sha256', JSON.stringify(files)).replace(/\W/g, '').slice(0, 12), files };
}

const hash = (algorithm: string, bytes: string | Uint8Array): string => createHash(algorithm).update(bytes).digest('base64');
