/** The browser behind the controller's `Environment`. */
import { FileFault } from './recipe';
import type { Environment } from './loader';

/** Twice the width of a thumbnail, for dense screens. */
const THUMBNAIL = 168;

export const browserEnvironment: Environment = {
  now: () => performance.now(),
  makeUrl: (blob) => URL.createObjectURL(blob),
  revokeUrl: (url) => URL.revokeObjectURL(url),
  async fetchFile(path) {
    const response = await fetch(new URL(path, document.baseURI));
    if (!response.ok) throw new FileFault(`${path} is missing on this server (${response.status}).`);
    return response.blob();
  },
  async readMask(path) {
    const bitmap = await createImageBitmap(await browserEnvironment.fetchFile(path));
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    if (!context) throw new FileFault(`${path} cannot be drawn.`);
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { width, height, inside: Uint8Array.from({ length: width * height }, (_, pixel) => data[pixel * 4] ?? 0) };
  },
  machine: () => ({
    // Chromium's; see https://www.w3.org/TR/device-memory/
    memoryGiB: (navigator as { deviceMemory?: number }).deviceMemory ?? null,
    cores: navigator.hardwareConcurrency,
    handheld: matchMedia('(pointer: coarse) and (hover: none)').matches,
  }),
  async drawThumbnail({ width, height, rgba }) {
    const source = await createImageBitmap(new ImageData(rgba, width, height));
    const scale = THUMBNAIL / Math.min(width, height);
    const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
    canvas.getContext('2d')?.drawImage(source, 0, 0, canvas.width, canvas.height);
    return URL.createObjectURL(await canvas.convertToBlob());
  },
};
