import { basename } from 'node:path';
import { SingleBar } from 'cli-progress';
import type { Sampler } from '../samplers/sampler.ts';
import type { CausalLM as CausalLMTask } from '../tasks/causalLM.ts';
import { CausalLM } from '../tasks/fromPreset.ts';
import type { LoadProgress } from '../tasks/loadWeights.ts';
import type { BackbonePresetOptions } from '../tasks/presets.ts';
import type { DType } from '../tensor/dtype.ts';
import type { GenerateArguments } from './commands.ts';
import { downloadBar } from './downloadBar.ts';

/** A preset as people call it: of a folder its last name. */
export const nameOf = (preset: string): string => (preset.includes('://') ? preset : basename(preset));

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** What `load` asks of `fromPreset`. */
type LoadOptions = Pick<BackbonePresetOptions, 'device' | 'revision' | 'signal' | 'onProgress' | 'onDownload'>;

/** Has a preset loaded, fetched where it is not here, with bars on a terminal. Its files are looked at before a device is opened. */
export const withBars = async <A>(
  { revision, device }: Pick<GenerateArguments, 'revision' | 'device'>,
  signal: AbortSignal,
  fromPreset: (options: LoadOptions) => Promise<A>,
): Promise<A> => {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: 'loading {bar} {percentage}% | {mb} of {mbs} MB',
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
      })
    : undefined;
  const fetching = downloadBar();
  const onProgress = ({ loaded, total }: LoadProgress): void => {
    fetching.stop();
    const payload = { mb: megabytes(loaded), mbs: megabytes(total) };
    if (bar?.isActive === false) bar.start(total, loaded, payload);
    else bar?.update(loaded, payload);
  };
  try {
    return await fromPreset({
      signal,
      onProgress,
      ...(fetching.onDownload === undefined ? {} : { onDownload: fetching.onDownload }),
      ...(revision === undefined ? {} : { revision }),
      ...(device === undefined ? {} : { device }),
    });
  } finally {
    fetching.stop();
    bar?.stop();
  }
};

/** Loads the preset of a model that writes text; null for `preprocessor` loads no tokenizer. */
export const load = (
  {
    preset,
    sampler,
    dtype,
    preprocessor,
    ...asked
  }: Pick<GenerateArguments, 'preset' | 'revision' | 'device'> & {
    readonly sampler?: Sampler;
    readonly dtype?: DType | undefined;
    readonly preprocessor?: null;
  },
  signal: AbortSignal,
): Promise<CausalLMTask> =>
  withBars(asked, signal, (options) =>
    CausalLM.fromPreset(preset, {
      ...options,
      ...(sampler === undefined ? {} : { sampler }),
      ...(dtype === undefined ? {} : { dtype }),
      ...(preprocessor === undefined ? {} : { preprocessor }),
    }),
  );
