/** From what the browser hands over (drops with folders, pickers, clipboards, archives) to a flat list of files. */
import type { OpenedFile } from '../state/state';

/** Files of a drop, folders walked. Must be called while the drop event is alive; the walk goes on after it. */
export function fromDrop(transfer: DataTransfer): Promise<OpenedFile[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const loose = [...transfer.files];
  if (entries.every((entry) => entry === null)) return Promise.resolve(fromList(loose));
  return Promise.all(entries.map((entry) => (entry ? walk(entry) : []))).then((lists) => lists.flat());
}

/** Files of a picker or a clipboard. */
export const fromList = (files: Iterable<File>): OpenedFile[] =>
  [...files].map((file) => ({ name: file.webkitRelativePath || file.name, blob: file }));

async function walk(top: FileSystemEntry): Promise<OpenedFile[]> {
  const found: OpenedFile[] = [];
  const waiting = [top];
  for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
    if (entry.isDirectory) waiting.push(...(await childrenOf(entry as FileSystemDirectoryEntry)));
    else found.push(await fileOf(entry as FileSystemFileEntry));
  }
  return found.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** A reader hands over at most a hundred entries at a time, and an empty list at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<OpenedFile> =>
  new Promise((resolve, reject) => {
    entry.file((blob) => resolve({ name: entry.fullPath.replace(/^\//, ''), blob }), reject);
  });

/** What an archive may unpack to; beyond it the tab itself would be at risk. */
const MAX_UNPACKED_BYTES = 1_500_000_000;

/** The files of a zip archive. The unpacker is loaded only when there is one. */
export async function unzip(archive: OpenedFile): Promise<OpenedFile[]> {
  const { unzip: unpack } = await import('fflate');
  const bytes = new Uint8Array(await archive.blob.arrayBuffer());
  let total = 0;
  const files = await new Promise<Record<string, Uint8Array>>((resolve, reject) => {
    const filter = (file: { originalSize: number }): boolean => (total += file.originalSize) <= MAX_UNPACKED_BYTES;
    unpack(bytes, { filter }, (error, unpacked) => (error ? reject(error) : resolve(unpacked)));
  });
  if (total > MAX_UNPACKED_BYTES) throw new Error(`It unpacks to more than ${MAX_UNPACKED_BYTES / 1e9} GB.`);
  return Object.entries(files)
    .filter(([name]) => !name.endsWith('/'))
    .map(([name, data]) => ({ name, blob: new Blob([data as Uint8Array<ArrayBuffer>], { type: typeOf(name) }) }));
}

/** Pictures out of an archive are shown as thumbnails, for which the browser wants their type. */
function typeOf(name: string): string {
  const extension = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  return ['png', 'webp', 'bmp', 'gif', 'jpeg'].includes(extension) ? `image/${extension}` : extension === 'jpg' ? 'image/jpeg' : '';
}
