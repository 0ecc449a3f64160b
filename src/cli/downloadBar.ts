import { SingleBar } from 'cli-progress';
import * as E from 'fp-ts/lib/Either.js';
import { type DownloadProgress, nodeSettings } from '../hub/index.ts';

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Seconds as people say them: `42s`, `3m05s`, `2h10m`. */
export const duration = (seconds: number): string => {
  const whole = Math.ceil(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
};

/** A bar for a download on standard error. */
export interface DownloadBar {
  /** To be called as bytes arrive; undefined where no bar is shown. */
  readonly onDownload: ((progress: DownloadProgress) => void) | undefined;
  /** Takes the bar away. */
  readonly stop: () => void;
}

/** A bar with bytes, rate and time left; none where nobody looks, or HF_HUB_DISABLE_PROGRESS_BARS says so. */
export const downloadBar = (doing = 'fetching'): DownloadBar => {
  const settings = nodeSettings();
  if (!process.stderr.isTTY || (E.isRight(settings) && !settings.right.bars))
    return { onDownload: undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: `${doing} {file} {bar} {percentage}% | {mb} of {mbs} MB | {rate} MB/s | {left} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  return {
    onDownload: ({ file, loaded, total, rate, secondsLeft }) => {
      const name = file.length > 24 ? `…${file.slice(-23)}` : file.padEnd(24);
      const left = secondsLeft === undefined ? '?' : duration(secondsLeft);
      const payload = { file: name, mb: megabytes(loaded), mbs: megabytes(total), rate: megabytes(rate), left };
      if (bar.isActive) bar.update(loaded, payload);
      else bar.start(total, loaded, payload);
    },
    stop: () => bar.stop(),
  };
};
