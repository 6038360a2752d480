import { ours } from './engine.mjs';
const STACK = 1 << 20;
self.onmessage = async ({ data: { address, network, input, side, configs, rounds } }) => {
  try {
    const module = await WebAssembly.compileStreaming(fetch(address));
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    const { exports } = await WebAssembly.instantiate(module, { env: { memory }, clock: { now: () => performance.now() } });
    const stack = exports.allocate(STACK, 16) + STACK, tls = exports.allocate(exports.__tls_size.value, exports.__tls_align.value);
    new Worker('thread.mjs', { type: 'module' }).postMessage({ module, memory, stack, tls });
    while (exports.use_threads(2) < 2) await new Promise(r => setTimeout(r, 5));
    const opened = await ours({ ...exports, memory }).open(network, input, side);
    const out = configs.map(() => []);
    for (let round = -5; round < rounds; round++) configs.forEach(([threads, parts, least], i) => {
      exports.use_threads(threads); exports.tune(parts, least);
      const b = performance.now(); opened.run(); const t = performance.now() - b;
      if (round >= 0) out[i].push(t);
    });
    self.postMessage({ result: out });
  } catch (e) { self.postMessage({ error: String(e.stack ?? e) }); }
};
