import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { bestVariant, Engine, load, version } from '../../pkg/loader.js';
import type { WorkerLike } from '../src/engine/client';
import type { Port } from '../src/engine/messages';
import type { ArgumentsOf, BufferRef, Engine as PageEngine, EngineRequest, Kind, ResponseOf } from '../src/engine/protocol';
import { serve } from '../src/engine/serve';
import { Team } from '../src/engine/team';
import { DEFAULT_RECIPE } from '../src/state/state';

const read = (path: string) => readFile(new URL(path, import.meta.url));

const sample = async (name: string) => new Uint8Array(await read(`../public/sample/${name}`));

/** Asks the engine in one step. */
function ask<K extends Kind>(engine: Engine, kind: K, args: ArgumentsOf<K>, files: (Uint8Array | number)[] = []): ResponseOf<K> {
  engine.begin({ kind, ...args } as unknown as EngineRequest, files);
  for (;;) {
    const step = engine.step(1e9);
    if (step.state === 'done') return step.response as ResponseOf<K>;
  }
}

/** What a call throws. */
function thrownBy(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

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

  it('takes a file in chunks as it takes it whole, and no more or less of it than was said', async () => {
    await load('simd128', await read('../../pkg/simd128/bitlens_bg.wasm'));
    const engine = new Engine();
    const file = await sample('sample_resnet.onnx');
    const whole = ask(engine, 'loadModel', { name: 'net.onnx' }, [file]).model;
    const half = file.length >> 1;
    const id = engine.reserveUpload(file.length);
    engine.writeUpload(id, file.subarray(0, half));
    engine.writeUpload(id, file.subarray(half));
    expect(ask(engine, 'loadModel', { name: 'net.onnx' }, [id]).model).toEqual(whole);

    const short = engine.reserveUpload(file.length);
    engine.writeUpload(short, file.subarray(0, half));
    const begin = (files: number[]) => () => engine.begin({ kind: 'loadModel', name: 'net.onnx' }, files);
    expect(thrownBy(begin([short]))).toMatchObject({ code: 'upload/length', message: `A file of ${file.length} bytes came with ${half}.` });
    expect(thrownBy(begin([short]))).toMatchObject({ code: 'upload/unknown' });
    const tiny = engine.reserveUpload(1);
    expect(thrownBy(() => engine.writeUpload(tiny, file))).toMatchObject({ code: 'upload/length' });
    engine.cancel();
    expect(thrownBy(begin([tiny]))).toMatchObject({ code: 'upload/unknown', message: `There is no upload ${tiny}.` });
    expect(thrownBy(() => engine.reserveUpload(5e9))).toMatchObject({ code: 'upload/too-large' });
  });

  it('hands out the raw logits of a picture and the tensor they were computed from', async () => {
    await load('simd128', await read('../../pkg/simd128/bitlens_bg.wasm'));
    const engine = new Engine();
    const take = (ref: BufferRef) => engine.takeBuffer(ref.id) as Float32Array;
    ask(engine, 'loadModel', { name: 'sample_resnet.onnx' }, [await sample('sample_resnet.onnx')]);
    ask(engine, 'readPreprocess', { name: 'preprocessor_config.json' }, [await sample('preprocessor_config.json')]);
    ask(engine, 'addPictures', { names: ['boat_0.png', 'car_0.png'] }, [await sample('boat_0.png'), await sample('car_0.png')]);

    const before = ask(engine, 'logits', { picture: 1 });
    expect(before.quantized).toBeNull();
    const [batch, channels, ...size] = before.inputShape;
    expect([batch, channels, size.length]).toEqual([1, 3, 2]);
    const [input, full] = [take(before.input), take(before.full)];
    expect(input).toBeInstanceOf(Float32Array);
    expect(input).toHaveLength(before.inputShape.reduce((product, one) => product * one));
    expect(full).toHaveLength(10);
    expect(engine.takeBuffer(before.full.id)).toBeUndefined();

    ask(engine, 'quantize', { recipe: DEFAULT_RECIPE });
    const after = ask(engine, 'logits', { picture: 1 });
    if (!after.quantized) throw new Error('there is a quantized network');
    const quantized = take(after.quantized);
    expect(take(after.full)).toEqual(full);
    expect(quantized).not.toEqual(full);
    // What the page shows are these scores behind a softmax.
    const { fullTop, quantizedTop } = ask(engine, 'lens', { picture: 1, target: null }).lens;
    for (const [scores, top] of [[full, fullTop], [quantized, quantizedTop]] as const) {
      const total = scores.reduce((sum, score) => sum + Math.exp(score - scores[top.class]!), 0);
      expect(1 / total).toBeCloseTo(top.probability, 6);
    }
    expect(() => ask(engine, 'logits', { picture: 2 })).toThrow(expect.objectContaining({ code: 'session/no-such-picture' }));
  });
});

describe('quantizing with a picture to look at', () => {
  it('says of it what looking at it alone says', async () => {
    await load('simd128', await read('../../pkg/simd128/bitlens_bg.wasm'));
    const engine = new Engine();
    const takeMaps = (map: { full: BufferRef; quantized: BufferRef } | null) => map && [map.full, map.quantized].map(({ id }) => engine.takeBuffer(id) as Float32Array);
    const recipe = { ...DEFAULT_RECIPE, weightBits: 4 };
    ask(engine, 'loadModel', { name: 'sample_resnet.onnx' }, [await sample('sample_resnet.onnx')]);
    ask(engine, 'addPictures', { names: ['boat_0.png', 'car_0.png'] }, [await sample('boat_0.png'), await sample('car_0.png')]);
    const { look, quantized } = ask(engine, 'quantize', { recipe, picture: 1 });
    const maps = takeMaps(look?.map ?? null);
    expect(look?.lens.picture).toBe(1);
    expect(maps?.[0]?.length).toBeGreaterThan(1);
    const { kind, ...alone } = ask(engine, 'lens', { picture: 1, target: null });
    expect(kind).toBe('lens');
    expect(look?.lens).toEqual(alone.lens);
    expect(maps).toEqual(takeMaps(alone.map));

    expect(ask(engine, 'quantize', { recipe })).toEqual({ kind: 'quantize', quantized, look: null });
    // The network is there although the picture is not.
    expect(ask(engine, 'quantize', { recipe, picture: 2 })).toEqual({ kind: 'quantize', quantized, look: null });
  });
});

describe('a team of engines', () => {
  const files = async (...names: string[]) => ({ files: await Promise.all(names.map(async (name) => new Blob([await sample(name)]))) });

  /** Opens the sample, quantizes and compares it; what is worth dividing takes so long. */
  async function visit(worthMs: number) {
    let engines = 0;
    const workers: WorkerLike[] = [];
    const start = (): WorkerLike => {
      engines += 1;
      const { port1, port2 } = new MessageChannel();
      const engine = new Engine() as unknown as PageEngine;
      void serve(port2 as unknown as Port, () => Promise.resolve({ engine, build: 'simd128' }));
      const worker = Object.assign(port1, { terminate: () => port1.close() }) as unknown as WorkerLike;
      port1.start();
      port2.start();
      workers.push(worker);
      return worker;
    };
    const team = new Team(start, () => 2, worthMs);
    await team.call('loadModel', { name: 'net.onnx' }, await files('sample_mobilenet.onnx'));
    await team.call('readPreprocess', { name: 'preprocessor_config.json' }, await files('preprocessor_config.json'));
    const listed = JSON.parse(String(await read('../public/sample/pictures.json'))) as { file: string }[];
    const names = listed.map(({ file }) => file);
    await team.call('addPictures', { names }, await files(...names));
    await team.call('setLabels', { name: 'pictures.json' }, await files('pictures.json'));
    const { quantized } = await team.call('quantize', { recipe: { ...DEFAULT_RECIPE, weightBits: 5, activationBits: 6 } });
    const { kind, summary, pictures } = await team.call('compare', {});
    const exported = await team.call('exportModel', {});
    const bytes = exported.buffer<Uint8Array<ArrayBuffer>>(exported.onnx);
    for (const worker of workers) worker.terminate();
    return { engines, found: { quantized, kind, summary, pictures, bytes } };
  }

  it('comes to the same as one engine, to the last bit', async () => {
    await load('simd128', await read('../../pkg/simd128/bitlens_bg.wasm'));
    const [alone, divided] = [await visit(Infinity), await visit(0)];
    expect([alone.engines, divided.engines]).toEqual([1, 3]);
    expect(divided.found).toEqual(alone.found);
  }, 60_000);
});
