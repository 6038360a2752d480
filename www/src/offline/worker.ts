/**
 * The service worker: keeps the built site, so that the page works without a network.
 *
 * A build is fetched as a whole, each file checked against the hash that the build gave it, before
 * any of it is used; a site that changes while it is fetched is not kept. Whoever was opened with
 * one build is served from it until closed, so page, worker and wasm are never of two.
 */
import { cacheName, kept, outdated, type Build } from './plan';

declare const __BUILD__: Build;

/** What this file uses of the worker's scope; TypeScript's own declarations exclude those of pages. */
interface Scope {
  registration: { scope: string };
  clients: { matchAll(options: { type: 'window'; includeUncontrolled: boolean }): Promise<{ url: string }[]> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: Lasting) => void): void;
  addEventListener(type: 'fetch', listener: (event: Lasting & { request: Request; respondWith(response: Promise<Response>): void }) => void): void;
  addEventListener(type: 'message', listener: (event: Lasting & MessageEvent) => void): void;
}
interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}

const worker = self as unknown as Scope;
const build = __BUILD__;
const { scope } = worker.registration;
const name = cacheName(scope, build.version);

worker.addEventListener('install', (event) => event.waitUntil(fetchAll()));
worker.addEventListener('activate', (event) => event.waitUntil(clean()));
worker.addEventListener('fetch', (event) => {
  const address = event.request.method === 'GET' ? kept(event.request.url, scope, build) : null;
  if (address) event.respondWith(answer(address, event.request));
});
worker.addEventListener('message', (event) => event.waitUntil(takeOver(event.ports[0])));

/** All files or none. */
async function fetchAll(): Promise<void> {
  const cache = await caches.open(name);
  const requests = Object.entries(build.files).map(([path, integrity]) => new Request(new URL(path, scope), { integrity, cache: 'no-cache' }));
  try {
    await cache.addAll(requests);
  } catch (error) {
    await caches.delete(name);
    throw error;
  }
}

async function clean(): Promise<void> {
  const names = outdated(await caches.keys(), scope, build.version);
  await Promise.all(names.map((old) => caches.delete(old)));
}

async function answer(address: string, request: Request): Promise<Response> {
  const cache = await caches.open(name);
  // A browser short of space may have dropped the cache.
  return (await cache.match(address, { ignoreVary: true })) ?? fetch(request);
}

/** Asked by a page that has only begun: replaces the build before, unless another tab still runs it. */
async function takeOver(reply: MessagePort | undefined): Promise<void> {
  const tabs = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const alone = tabs.filter(({ url }) => url.startsWith(scope)).length <= 1;
  reply?.postMessage(alone);
  if (alone) await worker.skipWaiting();
}
