/**
 * What the service worker keeps, as pure functions: one cache for each build of the page, and from
 * it whole builds only, so that page and engine are always of one.
 */

/** A built site, written into the service worker when it is built. */
export interface Build {
  /** Changes whenever a file changes. */
  version: string;
  /** Files by their path below the page, with their subresource integrity; the page itself is `./`. */
  files: Record<string, string>;
}

/** Other copies of the page may live on this origin, at other paths: the scope keeps them apart. */
const prefix = (scope: string): string => `bitlens ${new URL(scope).pathname} `;

export const cacheName = (scope: string, version: string): string => prefix(scope) + version;

/** The caches that builds of this copy of the page have left, this build's own excepted. */
export const outdated = (names: string[], scope: string, version: string): string[] =>
  names.filter((name) => name.startsWith(prefix(scope)) && name !== cacheName(scope, version));

/** Under which address the file that a request wants is kept; null for what is none of the build's. */
export function kept(address: string, scope: string, { files }: Build): string | null {
  const { origin, pathname } = new URL(address);
  if (!(origin + pathname).startsWith(scope)) return null;
  const path = (origin + pathname).slice(scope.length);
  const file = path === '' || path === 'index.html' ? './' : path;
  return Object.hasOwn(files, file) ? new URL(file, scope).href : null;
}
