// A thread of the pool: an instance of the module on the memory of the one that it helps.
self.onmessage = async ({ data: { module, memory, stack, tls } }) => {
  const instance = await WebAssembly.instantiate(module, { env: { memory }, clock: { now: () => performance.now() } });
  instance.exports.__stack_pointer.value = stack;
  instance.exports.__wasm_init_tls(tls);
  instance.exports.enter();
};
