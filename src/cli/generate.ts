import { fstatSync } from 'node:fs';
import { SingleBar } from 'cli-progress';
import { type CausalLM as CausalLMTask, deviceOf } from '../tasks/causalLM.ts';
import { CausalLM } from '../tasks/fromPreset.ts';
import type { LoadProgress } from '../tasks/loadWeights.ts';
import type { GenerateArguments } from './arguments.ts';

/** The prompt of `npm start`: within the world of the preset that ships with the package. */
const DEFAULT_PROMPT = 'Once upon a time';

/** Whether somebody may be writing to standard input: it is a pipe or a file, not a terminal or nothing. */
const hasInput = (): boolean => {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
};

/**
 * Lines of standard input. A pipe that stays open and silent for a second is taken for one that nobody writes to, as
 * those are that a program gets from a service or a script.
 */
const readLines = async (): Promise<readonly string[]> => {
  const { stdin } = process;
  stdin.setEncoding('utf8');
  let text = '';
  await new Promise<void>((resolve, reject) => {
    const silence = setTimeout(() => {
      stdin.destroy();
      resolve();
    }, 1000);
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
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
};

const promptsOf = async (prompts: readonly string[]): Promise<readonly string[]> => {
  if (prompts.length > 0) return prompts;
  const lines = hasInput() ? await readLines() : [];
  return lines.length > 0 ? lines : [DEFAULT_PROMPT];
};

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Loads a preset with a bar on a terminal. Its files are looked at before a device is opened. */
const load = async (
  { preset, sampler, device }: Pick<GenerateArguments, 'preset' | 'sampler' | 'device'>,
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
      sampler,
      signal,
      onProgress,
      ...(device === undefined ? {} : { device }),
    });
  } finally {
    bar?.stop();
  }
};

/** `purelm generate`: text to standard output as it is decided, everything else to standard error. */
export const generate = async (asked: GenerateArguments, signal: AbortSignal): Promise<void> => {
  const prompts = await promptsOf(asked.prompts);
  const lm = await load(asked, signal);
  let tokens = 0;
  let began = performance.now();
  let spent = 0;
  const options = {
    seed: asked.seed,
    signal,
    onTokens: (count: number) => {
      tokens += count;
    },
    ...(asked.maxLength === undefined ? {} : { maxLength: asked.maxLength }),
  };
  for (const prompt of prompts) {
    began = performance.now();
    if (asked.json) {
      const text = await lm.generate(prompt, options);
      process.stdout.write(`${JSON.stringify({ prompt, text, seed: asked.seed })}\n`);
    } else {
      const pieces = lm.stream(prompt, options);
      // The prompt is shown when its answer begins: a prompt or an option that is refused leaves nothing behind.
      let next = await pieces.next();
      process.stdout.write(prompt);
      for (; next.done !== true; next = await pieces.next()) process.stdout.write(next.value);
      process.stdout.write('\n');
    }
    spent += performance.now() - began;
  }
  const rate = tokens === 0 ? 'no tokens' : `${tokens} tokens, ${((1000 * tokens) / spent).toFixed(1)} tokens/s`;
  const { name, reason } = await deviceOf(lm.backbone);
  process.stderr.write(`${rate} on ${name} (${reason}), seed ${asked.seed}\n`);
};
