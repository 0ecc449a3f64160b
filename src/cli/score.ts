import { tensor } from '../ops/constant.ts';
import { log } from '../ops/log.ts';
import { negative } from '../ops/negative.ts';
import { softmax } from '../ops/softmax.ts';
import { sparseCategoricalCrossentropy } from '../ops/sparseCategoricalCrossentropy.ts';
import { topK } from '../ops/topK.ts';
import type { CausalLM } from '../tasks/causalLM.ts';
import { deviceOf } from '../tasks/heldParams.ts';
import type { ScoreArguments } from './commands.ts';
import { hasInput, linesOf, readInput } from './input.ts';
import { load } from './load.ts';

/** A token with its loss, `-log p`, in nats. */
interface Candidate {
  readonly token: string;
  readonly id: number;
  readonly loss: number;
}

/** How likely a text is. */
interface Scored {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly tokenIds: readonly number[];
  /** Of each token, given those before it; the first is given the start token. */
  readonly losses: readonly number[];
  /** Their mean. */
  readonly loss: number;
  /** `exp(loss)`. */
  readonly perplexity: number;
  /** The likeliest tokens of each place, the likeliest first. */
  readonly alternatives?: readonly (readonly Candidate[])[];
}

const scoreText = async (lm: CausalLM, text: string, top: number): Promise<Scored> => {
  const { tokenizer } = lm;
  if (tokenizer === null) throw new Error('expected a preset with a tokenizer, since texts are to be scored');
  const ids = tokenizer.tokenize(text);
  if (ids.length === 0) throw new Error('--text: expected a text of at least one token, got an empty one');
  const written = (id: number): string => tokenizer.detokenize([id]);
  const logits = lm.score({ tokenIds: [[tokenizer.startTokenId, ...ids.slice(0, -1)]] });
  const losses = sparseCategoricalCrossentropy(tensor([ids], { dtype: 'int32' }), logits);
  const device = await deviceOf(lm.backbone);
  const likeliest = top === 0 ? undefined : topK(softmax(logits), Math.min(top, tokenizer.vocabularySize));
  const [own, values, indices] = await device.evaluate([
    losses,
    ...(likeliest === undefined ? [] : [negative(log(likeliest.values)), likeliest.indices]),
  ]);
  const numbers = Array.from(own!.data);
  const loss = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const width = values?.shape.at(-1) ?? 0;
  return {
    text,
    tokens: ids.map(written),
    tokenIds: ids,
    losses: numbers,
    loss,
    perplexity: Math.exp(loss),
    ...(values === undefined || indices === undefined
      ? {}
      : {
          alternatives: ids.map((_, place) =>
            Array.from({ length: width }, (_, k) => {
              const id = indices.data[place * width + k]!;
              return { token: written(id), id, loss: values.data[place * width + k]! };
            }),
          ),
        }),
  };
};

const quoted = (text: string): string => JSON.stringify(text);

const format = ({ text, tokens, losses, loss, perplexity, alternatives }: Scored): string => {
  const names = tokens.map(quoted);
  const width = Math.max(...names.map((name) => name.length));
  const rows = names.map((name, place) => {
    const others = alternatives?.[place]
      ?.map(({ token, loss: own }) => `${quoted(token)} ${own.toFixed(2)}`)
      .join('  ');
    return `${losses[place]!.toFixed(4).padStart(9)}  ${others === undefined ? name : `${name.padEnd(width)}  ${others}`}\n`;
  });
  const count = `${tokens.length} ${tokens.length === 1 ? 'token' : 'tokens'}`;
  return `${quoted(text)}: perplexity ${perplexity.toFixed(2)}, loss ${loss.toFixed(4)}, ${count}\n${rows.join('')}`;
};

/** `purelm score`: the loss of every token of texts, and their perplexity. */
export const scoreTexts = async (asked: ScoreArguments, signal: AbortSignal): Promise<void> => {
  const texts = asked.texts.length > 0 ? asked.texts : hasInput() ? linesOf(await readInput()) : [];
  if (texts.length === 0) throw new Error('expected texts: --text TEXT, or lines on standard input');
  const lm = await load(asked, signal);
  for (const text of texts) {
    signal.throwIfAborted();
    const scored = await scoreText(lm, text, asked.top);
    process.stdout.write(asked.json ? `${JSON.stringify(scored)}\n` : format(scored));
  }
};
