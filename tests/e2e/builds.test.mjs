// Whoever quantizes the same network with the same pictures gets the same file.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { quantizeWithSample, sampleFile, startEngine } from './engine.mjs';
import { inNewFolder, nativeProgram, sampleFolder as sample } from './native.mjs';

const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };
const networks = ['sample_resnet.onnx', 'sample_mobilenet.onnx'];

/** The file that a build writes. */
const exportedBy = async (build, network) => {
  const engine = await startEngine(build);
  await quantizeWithSample(engine, await sampleFile(network), int8);
  return engine.bytes(engine.ask('exportModel').onnx);
};

for (const network of networks) {
  test(`both builds write the same bytes: ${network}`, async () => {
    const [simd128, relaxed] = [
      await exportedBy('simd128', network),
      await exportedBy('relaxed', network),
    ];
    assert.ok(simd128.length > 50_000);
    assert.ok(simd128.equals(relaxed));
  });

  test(`the command line writes the bytes of the page: ${network}`, async (t) => {
    const program = nativeProgram();
    if (!program) return t.skip('no native build');
    await inNewFolder(async (folder) => {
      const file = join(folder, 'q.onnx');
      execFileSync(program, [
        ...['quantize', join(sample, network), '--data', sample],
        ...['--labels', join(sample, 'pictures.json'), '--role', 'calib'],
        ...['--preprocess', join(sample, 'preprocessor_config.json'), '-o', file],
      ]);
      assert.ok(readFileSync(file).equals(await exportedBy('simd128', network)));
    });
  });
}
