/** The page's side of working offline. Where service workers are missing or forbidden, the page works online as before. */

/** A worker that does not answer in this time is left alone. */
const PATIENCE_MS = 2000;

/**
 * Changes to a newer build that has been fetched, if there is one and no other tab runs this one.
 * To be asked before anything else is done; after `true` the page is about to be loaded again.
 */
export async function changeBuild(): Promise<boolean> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  const registration = await ours(container);
  if (!container?.controller || !registration?.waiting) return false;
  const changed = new Promise<true>((resolve) => container.addEventListener('controllerchange', () => resolve(true), { once: true }));
  const { port1, port2 } = new MessageChannel();
  const declined = new Promise<false>((resolve) => {
    port1.onmessage = ({ data }) => data === true || resolve(false);
    setTimeout(() => resolve(false), PATIENCE_MS);
  });
  registration.waiting.postMessage('take over', [port2]);
  if (!(await Promise.race([changed, declined]))) return false;
  location.reload();
  return true;
}

/** Keeps the site for the next visit, once this one has loaded; tells when it is kept. */
export function keepSite(onKept: () => void): void {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container) return;
  const register = async (): Promise<void> => {
    try {
      await container.register('sw.js');
      await container.ready;
      onKept();
    } catch {
      // Refused, as in some private windows, or the site changed while it was fetched: next time.
    }
  };
  if (document.readyState === 'complete') void register();
  else addEventListener('load', () => void register(), { once: true });
}

/** The registration of this copy of the page, not of another one above it on the same origin. */
async function ours(container: ServiceWorkerContainer | undefined): Promise<ServiceWorkerRegistration | null> {
  const registration = await container?.getRegistration().catch(() => undefined);
  return registration?.scope === new URL('./', location.href).href ? registration : null;
}
