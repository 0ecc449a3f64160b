import { SingleBar } from 'cli-progress';
import type { Sampler } from '../samplers/sampler.ts';
import type { CausalLM as CausalLMTask } from '../tasks/causalLM.ts';
import { CausalLM } from '../tasks/fromPreset.ts';
import type { LoadProgress } from '../tasks/loadWeights.ts';
import type { GenerateArguments } from './arguments.ts';

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Loads a preset with a bar on a terminal. Its files are looked at before a device is opened. */
export const load = async (
  { preset, sampler, device }: Pick<GenerateArguments, 'preset' | 'device'> & { readonly sampler?: Sampler },
  signal: AbortSignal,
): Promise<CausalLMTask> => {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: 'loading {bar} {percentage}% | {mb} of {mbs} MB',
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
      })
    : undefined;
  const onProgress = ({ loaded, total }: LoadProgress): void => {
    const payload = { mb: megabytes(loaded), mbs: megabytes(total) };
    if (bar?.isActive === false) bar.start(total, loaded, payload);
    else bar?.update(loaded, payload);
  };
  try {
    return await CausalLM.fromPreset(preset, {
      signal,
      onProgress,
      ...(sampler === undefined ? {} : { sampler }),
      ...(device === undefined ? {} : { device }),
    });
  } finally {
    bar?.stop();
  }
};
