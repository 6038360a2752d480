// In the page of a bench: both of our builds and the peer, each behind the same few functions.

import { bytesOf, ours } from './engine.mjs';

/** One of our builds. */
const load = async (address) => {
  const clock = { now: () => performance.now() };
  const { instance } = await WebAssembly.instantiateStreaming(fetch(address), { clock });
  return ours(instance.exports);
};

/** onnxruntime-web on one thread. */
const peer = async (folder) => {
  const ort = await import(`${folder}ort.wasm.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folder;
  return {
    open: async (network, input, side) => {
      const options = { executionProviders: ['wasm'], graphOptimizationLevel: 'all' };
      const session = await ort.InferenceSession.create(await bytesOf(network), options);
      const feeds = { input: new ort.Tensor('float32', input, [1, 3, side, side]) };
      let results;
      return {
        run: async () => {
          results = await session.run(feeds);
        },
        output: async () => results.output.data,
        release: () => session.release(),
      };
    },
  };
};

/** Ordinary numbers of both signs, the same every time. */
const inputOf = (side) => Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * 12.9898) * 1.5);

const time = async (network) => {
  const start = performance.now();
  await network.run();
  return performance.now() - start;
};

/** Largest difference of two outputs relative to the largest magnitude, and whether both answer alike. */
const compare = (actual, expected) => {
  const largest = (numbers) => numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const first = (numbers) => numbers.indexOf(numbers.reduce((most, x) => Math.max(most, x), -Infinity));
  const difference = expected.map((x, i) => x - actual[i]);
  if (actual.length !== expected.length || difference.some(Number.isNaN)) return { difference: Infinity, sameAnswer: false };
  return { difference: largest(difference) / largest(expected), sameAnswer: first(actual) === first(expected) };
};

const makers = { ours: load, peer };

/**
 * Times one network in all engines in turns: `rounds` runs of each after `warmUp`, which do not count.
 * The first engine is the one that others' outputs are compared with.
 */
window.race = async ({ engines, network, rounds, warmUp, side }) => {
  const input = inputOf(side);
  const racers = [];
  for (const { name, kind, address } of engines) {
    const engine = await makers[kind](address);
    racers.push({ name, times: [], network: await engine.open(network, input, side) });
  }
  for (let round = -warmUp; round < rounds; round++) {
    for (const racer of racers) {
      const milliseconds = await time(racer.network);
      if (round >= 0) racer.times.push(milliseconds);
    }
  }
  const expected = await racers[0].network.output();
  const results = [];
  for (const { name, times, network: opened } of racers) {
    results.push({ name, times, ...compare(await opened.output(), expected) });
    opened.release?.();
  }
  return results;
};

/** What each node of a network takes in one of our builds. */
window.profile = async ({ address, network, runs, side }) => {
  const engine = await load(address);
  const opened = await engine.open(network, inputOf(side), side);
  for (let run = 0; run < 5; run++) await opened.run(); // the browser's compiler settles
  return opened.profile(runs);
};

window.kernels = async ({ address, filter }) => (await load(address)).kernels(filter);
/** Times a network on different numbers of threads; see threads_worker.mjs. */
window.threads = (task) =>
  new Promise((resolve, reject) => {
    const worker = new Worker('threads_worker.mjs', { type: 'module' });
    const end = (settle, value) => {
      worker.terminate();
      settle(value);
    };
    worker.onmessage = ({ data: { result, error } }) => (error ? end(reject, new Error(error)) : end(resolve, result));
    worker.onerror = ({ message }) => end(reject, new Error(message));
    worker.postMessage({ ...task, input: inputOf(task.side) });
  });

window.ready = true;
