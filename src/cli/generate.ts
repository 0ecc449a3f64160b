import { deviceOf } from '../tasks/heldParams.ts';
import type { GenerateArguments } from './arguments.ts';
import { hasInput, linesOf, readInput } from './input.ts';
import { load } from './load.ts';

/** The prompt of `npm start`: within the world of the preset that ships with the package. */
const DEFAULT_PROMPT = 'Once upon a time';

const promptsOf = async (prompts: readonly string[]): Promise<readonly string[]> => {
  if (prompts.length > 0) return prompts;
  const lines = hasInput() ? linesOf(await readInput()) : [];
  return lines.length > 0 ? lines : [DEFAULT_PROMPT];
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
