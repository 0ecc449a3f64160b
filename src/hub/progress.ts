import type { RemoteFile } from './wanted.ts';

/** How far a download has come. */
export interface DownloadProgress {
  /** The file that bytes came for. */
  readonly file: string;
  /** Bytes of that file that are there. */
  readonly fileLoaded: number;
  /** Bytes that the file has. */
  readonly fileTotal: number;
  /** Bytes of all files that are there. */
  readonly loaded: number;
  /** Bytes of all files that were missing. */
  readonly total: number;
  /** Bytes a second, over the last few seconds. */
  readonly rate: number;
  /** Seconds that are left at this rate; undefined before there is one. */
  readonly secondsLeft: number | undefined;
}

/** Milliseconds over which the rate is taken. */
const span = 5000;

/** Milliseconds between two calls, but for the ends of files. */
const pause = 80;

/**
 * Counts the bytes of several files.
 *
 * @param files - All files that are missing.
 * @param onProgress - Called as bytes come.
 * @param now - Milliseconds on a clock.
 * @returns For each file, what is to be called with its bytes; `fresh` is false for bytes that were there before.
 */
export const progressMeter = (
  files: readonly RemoteFile[],
  onProgress: ((progress: DownloadProgress) => void) | undefined,
  now: () => number = () => performance.now(),
): ((file: RemoteFile) => (bytes: number, fresh: boolean) => void) => {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const marks: { readonly at: number; readonly bytes: number }[] = [{ at: now(), bytes: 0 }];
  let loaded = 0;
  let came = 0;
  let last = Number.NEGATIVE_INFINITY;
  return (file) => {
    let fileLoaded = 0;
    return (bytes, fresh) => {
      fileLoaded += bytes;
      loaded += bytes;
      if (fresh) came += bytes;
      const at = now();
      if (onProgress === undefined || (at - last < pause && fileLoaded < file.size)) return;
      last = at;
      marks.push({ at, bytes: came });
      while (marks.length > 2 && at - marks[0]!.at > span) marks.shift();
      const [{ at: since, bytes: then }] = marks as [{ readonly at: number; readonly bytes: number }];
      const rate = at > since ? ((came - then) * 1000) / (at - since) : 0;
      onProgress({
        file: file.name,
        fileLoaded,
        fileTotal: file.size,
        loaded,
        total,
        rate,
        secondsLeft: rate > 0 ? (total - loaded) / rate : undefined,
      });
    };
  };
};
