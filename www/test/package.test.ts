import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { bestVariant, load, version } from '../../pkg/loader.js';

const read = (path: string) => readFile(new URL(path, import.meta.url));

describe('the wasm package', () => {
  it('loads the baseline build and says the version it is published under', async () => {
    expect(await load('simd128', await read('../../pkg/simd128/bitlens_bg.wasm'))).toBe('simd128');
    const manifest = JSON.parse(String(await read('../../pkg/package.json'))) as { version: string };
    expect(version()).toBe(manifest.version);
  });

  it('chooses the build that this engine accepts', async () => {
    const wasm = await read(`../../pkg/${bestVariant()}/bitlens_bg.wasm`);
    expect(WebAssembly.validate(wasm)).toBe(true);
  });
});
