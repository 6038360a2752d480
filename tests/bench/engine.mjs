// Our engine behind a few functions: see tests/bench/engine.

export const bytesOf = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

/** An instance of one of our builds; `engine` are its exports. */
export const ours = (engine) => {
  const view = (length) => {
    const at = engine.buffer(length); // may grow the memory, which detaches views made before
    return new Uint8Array(engine.memory.buffer, at, length);
  };
  const read = (length) => view(length).slice();
  const write = (bytes) => view(bytes.length).set(bytes);
  const checked = (result, call) => {
    // A message's length is not known here; it ends where the bytes are 0.
    if (result < 0) throw new Error(`${call}: ${new TextDecoder().decode(read(400)).split('\0')[0]}`);
    return result;
  };
  const text = (length) => new TextDecoder().decode(read(length));
  return {
    open: async (network, input, side) => {
      write(await bytesOf(network));
      const number = checked(engine.open(), 'open');
      write(new Uint8Array(input.buffer));
      checked(engine.image(side), 'image');
      return {
        run: () => {
          checked(engine.run(number), 'run');
        },
        output: () => new Float32Array(read(engine.output()).buffer),
        profile: (runs) => JSON.parse(text(checked(engine.profile(number, runs), 'profile'))),
      };
    },
    kernels: (filter) => {
      write(new TextEncoder().encode(filter));
      return JSON.parse(text(checked(engine.kernels(), 'kernels')));
    },
  };
};
