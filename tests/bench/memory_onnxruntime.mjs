// A worker with onnxruntime-web: one network, and how large its wasm memory is once it has run.

/** Every wasm memory that is made in this worker, by whoever makes it. */
const memories = new Set();
const { Memory, instantiate, instantiateStreaming } = WebAssembly;
WebAssembly.Memory = new Proxy(Memory, {
  construct: (target, given) => {
    const memory = new target(...given);
    memories.add(memory);
    return memory;
  },
});
const watched = (instantiated) => {
  const { exports } = instantiated.instance ?? instantiated;
  Object.values(exports).filter((one) => one instanceof Memory).forEach((one) => memories.add(one));
  return instantiated;
};
WebAssembly.instantiate = async (...given) => watched(await instantiate(...given));
WebAssembly.instantiateStreaming = async (...given) => watched(await instantiateStreaming(...given));

const taken = () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

const run = async ({ file, size }) => {
  const ort = await import('/ort/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/ort/';
  const session = await ort.InferenceSession.create(new Uint8Array(await file.arrayBuffer()), { executionProviders: ['wasm'] });
  const opened = taken();
  const count = size.reduce((product, one) => product * one, 1);
  const numbers = Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898));
  for (let time = 0; time < 3; time++) await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', numbers, [1, ...size]) });
  return { opened, ran: taken(), version: ort.env.versions.web };
};

self.onmessage = ({ data }) =>
  run(data).then(
    (result) => self.postMessage({ result }),
    (error) => self.postMessage({ error: error?.message ?? String(error) }),
  );
