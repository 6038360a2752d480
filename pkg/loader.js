// Chooses and loads one of the two wasm builds. See README.md.
import initialize from './simd128/bitlens.js';

// The glue of both builds is the same file, byte for byte (the build checks it).
export * from './simd128/bitlens.js';

// (module (func (result v128) … i32x4.relaxed_dot_i8x16_i7x16_add_s)): an engine without
// relaxed SIMD refuses a module that merely contains one of its instructions.
const relaxedProbe = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // "\0asm", version 1
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // type: () -> v128
  0x03, 0x02, 0x01, 0x00, // one function of that type
  0x0a, 0x13, 0x01, 0x11, 0x00, // its body, no locals
  0x41, 0x00, 0xfd, 0x0f, // i32.const 0, i8x16.splat
  0x41, 0x00, 0xfd, 0x0f,
  0x41, 0x00, 0xfd, 0x0f,
  0xfd, 0x93, 0x02, // i32x4.relaxed_dot_i8x16_i7x16_add_s
  0x0b, // end
]);

/** The build for this engine: 'relaxed' where relaxed SIMD validates, else 'simd128'. */
export const bestVariant = () => (WebAssembly.validate(relaxedProbe) ? 'relaxed' : 'simd128');

// Written out in full: bundlers find the files by this exact form.
const address = {
  simd128: () => new URL('./simd128/bitlens_bg.wasm', import.meta.url),
  relaxed: () => new URL('./relaxed/bitlens_bg.wasm', import.meta.url),
};

/** Loads a build, once per thread, and says which. */
export async function load(variant = bestVariant(), wasm = address[variant]()) {
  await initialize({ module_or_path: wasm });
  return variant;
}
