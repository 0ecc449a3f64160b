import { fstatSync } from 'node:fs';

/** Whether somebody may be writing to standard input: it is a pipe or a file, not a terminal or nothing. */
export const hasInput = (): boolean => {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
};

/**
 * What standard input gives, to its end. A pipe that stays open and silent for a second is taken for one that nobody
 * writes to, as those are that a program gets from a service or a script.
 *
 * @param signal - Where the input was asked for: it is waited for until there is an end, or the signal comes.
 */
export const readInput = async (signal?: AbortSignal): Promise<string> => {
  const { stdin } = process;
  stdin.setEncoding('utf8');
  let text = '';
  await new Promise<void>((resolve, reject) => {
    const silence =
      signal === undefined
        ? setTimeout(() => {
            stdin.destroy();
            resolve();
          }, 1000)
        : undefined;
    signal?.addEventListener('abort', () => {
      stdin.destroy();
      reject(signal.reason as Error);
    });
    stdin.on('data', (chunk: string) => {
      clearTimeout(silence);
      text += chunk;
    });
    stdin.on('end', () => {
      clearTimeout(silence);
      resolve();
    });
    stdin.on('error', reject);
  });
  return text;
};

/** Lines that are not empty. */
export const linesOf = (text: string): readonly string[] => text.split(/\r?\n/).filter((line) => line.trim() !== '');
