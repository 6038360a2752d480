/// <reference types="vitest/config" />
import { defineConfig, type Plugin } from 'vite';
import { offline, SERVICE_WORKER } from './vite.offline.ts';

/** Cross-origin isolation: high-resolution timers and shared memory. The page works without it. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Nothing leaves the origin, and no script but the page's own runs. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self' data: blob:",
  "style-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Writes the policy into the built page, so that it holds on any static host. */
const policy: Plugin = {
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
      injectTo: 'head-prepend',
    },
  ],
};

export default defineConfig({
  base: './', // the built page works at any sub-path
  plugins: [policy, offline],
  worker: { format: 'es' },
  server: { headers: isolation, fs: { allow: ['.', '../pkg'] } },
  preview: { headers: isolation },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { index: 'index.html', serviceWorker: 'src/offline/worker.ts' },
      // A service worker governs what stands below it, and is found again by its name.
      output: { entryFileNames: ({ name }) => (name === 'serviceWorker' ? SERVICE_WORKER : 'assets/[name]-[hash].js') },
    },
  },
  test: { include: ['test/**/*.test.{ts,tsx}'] },
});
