import { SpeculativeSampler, type TokenSampler } from '../samplers/index.ts';
import type { CausalLM } from '../tasks/causalLM.ts';
import type { Beam, GeneratedText } from '../tasks/generate.ts';
import { deviceOf } from '../tasks/heldParams.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { GenerateArguments } from './commands.ts';
import { hasInput, linesOf, readInput } from './input.ts';
import { load } from './load.ts';

/** The prompt of `npm start`: within the world of the preset that ships with the package. */
const DEFAULT_PROMPT = 'Once upon a time';

const promptsOf = async (prompts: readonly string[]): Promise<readonly string[]> => {
  if (prompts.length > 0) return prompts;
  const lines = hasInput() ? linesOf(await readInput()) : [];
  return lines.length > 0 ? lines : [DEFAULT_PROMPT];
};

/** The model, with the draft that guesses for it, if one is asked for. */
const open = async (asked: GenerateArguments, signal: AbortSignal): Promise<CausalLM> => {
  const lm = await load(asked, signal);
  if (asked.draft === undefined) return lm;
  const { preset, numSpeculativeTokens } = asked.draft;
  const { sampler } = asked;
  if (!('step' in sampler))
    throw new ArgumentError(`draft: expected a sampler that chooses token by token, got ${sampler.name}`);
  const draft = await load({ preset, revision: undefined, device: asked.device }, signal);
  const ahead = numSpeculativeTokens === undefined ? {} : { numSpeculativeTokens };
  return lm.compile({ sampler: SpeculativeSampler({ draft, baseSampler: sampler as TokenSampler, ...ahead }) });
};

/** What `--json` says of an answer: its text, or its beams. */
const answer = (made: GeneratedText): object => (typeof made === 'string' ? { text: made } : { beams: made });

/** `purelm generate`: text to standard output as it is decided, everything else to standard error. */
export const generate = async (asked: GenerateArguments, signal: AbortSignal): Promise<void> => {
  const prompts = await promptsOf(asked.prompts);
  const lm = await open(asked, signal);
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
      const made = await lm.generate<GeneratedText>(prompt, options);
      process.stdout.write(`${JSON.stringify({ prompt, ...answer(made), seed: asked.seed })}\n`);
    } else if (lm.sampler.decoding.isAll === true) {
      for (const { text, logProb } of await lm.generate<readonly Beam[]>(prompt, options))
        process.stdout.write(`${logProb.toFixed(3)}\t${text}\n`);
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
