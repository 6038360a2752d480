// The engine with threads, off the page's own thread, which may not wait.
import { ours } from './engine.mjs';

const STACK = 1 << 20;

/** The engine, and `use(count)`, which says how many threads work from then on. */
const start = async (address, most) => {
  const module = await WebAssembly.compileStreaming(fetch(address));
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  const clock = { now: () => performance.now() };
  const { exports } = await WebAssembly.instantiate(module, { env: { memory }, clock });
  for (let thread = 1; thread < most; thread++) {
    const stack = exports.allocate(STACK, 16) + STACK;
    const tls = exports.allocate(exports.__tls_size.value, exports.__tls_align.value);
    new Worker('thread.mjs', { type: 'module' }).postMessage({ module, memory, stack, tls });
  }
  while (exports.use_threads(most) < most) await new Promise((resume) => setTimeout(resume, 5));
  return { engine: ours({ ...exports, memory }), use: exports.use_threads };
};

const time = (network) => {
  const begin = performance.now();
  network.run();
  return performance.now() - begin;
};

/** Times a network on each number of threads, in turns, and compares what they give. */
const race = async ({ address, network, input, side, counts, rounds, warmUp }) => {
  const { engine, use } = await start(address, Math.max(...counts));
  const opened = await engine.open(network, input, side);
  const racers = counts.map((count) => ({ count, times: [], outputs: new Set() }));
  for (let round = -warmUp; round < rounds; round++)
    for (const racer of racers) {
      use(racer.count);
      const milliseconds = time(opened);
      if (round >= 0) racer.times.push(milliseconds);
      racer.outputs.add(new Uint32Array(opened.output().buffer).join());
    }
  const same = new Set(racers.flatMap(({ outputs }) => [...outputs])).size === 1;
  return { same, racers: racers.map(({ count, times }) => ({ count, times })) };
};

self.onmessage = ({ data }) =>
  race(data).then(
    (result) => self.postMessage({ result }),
    (error) => self.postMessage({ error: String(error) }),
  );
