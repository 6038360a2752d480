// A plain static server for the tests: files of one folder below a path prefix, with the
// content security policy as a header and without any other help for the page.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const contentTypes = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.onnx': 'application/octet-stream',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** The strictest policy the page promises to work under. */
export const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self' data: blob:",
].join('; ');

/** The file for a request, or undefined: outside every prefix, outside the folder, or not there. */
const fileFor = (folders, url) => {
  const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  const found = Object.entries(folders).find(([prefix]) => path.startsWith(prefix));
  if (!found) return undefined;
  const [prefix, folder] = found;
  const root = normalize(folder).replace(/[/\\]$/, '');
  const file = normalize(join(root, path.slice(prefix.length) || 'index.html'));
  if (!file.startsWith(root + sep)) return undefined;
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
};

/**
 * Serves `folder` below `prefix` (which begins and ends with a slash) on a free port, and the
 * folders of `also` below theirs. Returns the page's address and `close`. `headers` are added to
 * every answer, for example for cross-origin isolation.
 */
export const serve = async (folder, { prefix = '/', headers = {}, also = {} } = {}) => {
  const server = createServer((request, response) => {
    const file = fileFor({ ...also, [prefix]: folder }, request.url);
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Security-Policy': contentSecurityPolicy,
      'Content-Type': contentTypes[extname(file)] ?? 'application/octet-stream',
      ...headers,
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}${prefix}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
};
