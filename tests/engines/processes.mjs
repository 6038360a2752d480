// Programs that a browser needs beside it: started, heard, ended.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Long enough for a browser to start on a busy machine. */
const START_MS = 60_000;

// Without this a signal ends Node at once, and what it started stays.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** The first of some programs on `PATH`; `cargo xtask test` sees that there is one. */
export const onPath = (...names) => {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(existsSync);
  if (!found) throw new Error(`${names.join(' or ')} is not on PATH`);
  return found;
};

/**
 * Starts a program and, where a pattern is given, waits until its output `says` that. Gives the `match`
 * and `end`, which ends the program; it is ended with this process as well.
 */
export const start = async (program, args, { says, env = {}, stdio = 'pipe' } = {}) => {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: says ? stdio : 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const end = async () => {
    kill();
    await ended;
    process.off('exit', kill);
  };
  try {
    return { match: says && (await heard(child, says, program)), end };
  } catch (error) {
    await end();
    throw error;
  }
};

/** The first match in what a program writes to any of its pipes. */
const heard = (child, pattern, program) =>
  new Promise((resolve, reject) => {
    let text = '';
    const fail = (why) => reject(new Error(`${program} ${why}:\n${text}`));
    const timer = setTimeout(() => fail(`did not start within ${START_MS} ms`), START_MS);
    child.once('exit', () => fail('ended at once'));
    const listen = (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (!match) return;
      clearTimeout(timer);
      resolve(match);
    };
    for (const pipe of child.stdio.slice(1)) pipe?.on('data', listen);
  });
