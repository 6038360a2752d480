// The engine in a dedicated worker, without the page: one network, its pictures, their raw logits.
import { bestVariant, load } from '../../pkg/loader.js';

/** Longer than any job: one step does it all. */
const NO_LIMIT_MS = 1e9;

const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };

/** A file as the page would read it; only its first bytes where a number of them is given. */
const read = async (address, length) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer(), 0, length);
};

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** An engine of a build: `simd128`, `relaxed`, or `threads` and how many. */
const open = async (build) => {
  const [name, threads] = build.split(' ');
  const { Engine, start } = await import(threads ? `../../pkg/${name}/start.js` : '../../pkg/loader.js');
  await (threads ? start(Number(threads)) : load(name));
  return new Engine();
};

/** Numbers as they lie in memory, named by their SHA-256. */
const sha256 = async (numbers) =>
  hex(new Uint8Array(await crypto.subtle.digest('SHA-256', numbers)));

/** The numbers of a network and their hash: equal hashes are equal bits. */
const scores = async (numbers) => ({ logits: [...numbers], sha256: await sha256(numbers) });

/**
 * Opens the network of a task (addresses `model`, `preprocess`, `pictures`; `pictureBytes` cuts a
 * data set) with a build, quantizes it where `quantize` says so, and answers for its first `count`
 * pictures: hash of the input tensor, and the scores of the networks there are. It says what runs, too:
 * the instructions, what their probe found, and the build that would be chosen here.
 */
const answer = async ({ build, task }) => {
  const engine = await open(build);
  const ask = (kind, args = {}, files = []) => {
    engine.begin({ kind, ...args }, files);
    for (;;) {
      const step = engine.step(NO_LIMIT_MS);
      if (step.state === 'done') return step.response;
    }
  };
  ask('loadModel', { name: task.model }, [await read(task.model)]);
  ask('readPreprocess', { name: task.preprocess }, [await read(task.preprocess)]);
  const files = await Promise.all(
    task.pictures.map((address) => read(address, task.pictureBytes)),
  );
  const { refused } = ask('addPictures', { names: task.pictures }, files);
  if (refused.length > 0) throw new Error(JSON.stringify(refused));
  const path = task.quantize ? ask('quantize', { recipe: int8 }).quantized.path : null;

  const pictures = [];
  for (let picture = 0; picture < task.count; picture++) {
    const { input, full, quantized } = ask('logits', { picture });
    pictures.push({
      input: await sha256(engine.takeBuffer(input.id)),
      full: await scores(engine.takeBuffer(full.id)),
      quantized: quantized && (await scores(engine.takeBuffer(quantized.id))),
    });
  }
  const { isa, threads, probe } = ask('engineInfo').info;
  return { best: bestVariant(), isa, threads, probe, path, pictures };
};

self.onmessage = ({ data }) =>
  answer(data).then(
    (result) => self.postMessage({ result }),
    // What the engine throws is no Error, but has its message.
    (error) => self.postMessage({ error: error?.message ?? String(error) }),
  );
