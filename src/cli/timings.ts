import { tensor } from '../ops/constant.ts';
import { reshape } from '../ops/reshape.ts';
import { take } from '../ops/take.ts';
import type { Device } from '../runtime/device.ts';
import type { CausalLM } from '../tasks/causalLM.ts';
import { generateTokens, repeatRows } from '../tasks/generation.ts';
import { deviceOf, heldParams } from '../tasks/heldParams.ts';
import { DECODED, promptOf, type Workload } from './workloads.ts';

/** Time that something took. */
export interface Spent {
  /** By the clock, in milliseconds. */
  readonly ms: number;
  /** Of the processor, over all threads of the process, in milliseconds. */
  readonly cpuMs: number;
}

/** Tokens that a model decided, and what they took. */
export interface Decoding extends Spent {
  /** The prompt and what was decided; of several texts, which are all the same, one. */
  readonly tokenIds: Int32Array;
}

/** A model to be timed: prompts are ids without meaning, tokens are chosen greedily, and nothing stops. */
export interface Timed {
  readonly device: Device;
  /** Decides the first token after a prompt of `count` ids, in so many rows (default 1). */
  prefill(count: number, rows?: number): Promise<Decoding>;
  /**
   * Decides `tokens` tokens after the first that follows a prompt of `count` ids, and times those.
   *
   * @param around - Called with the work that is timed.
   * @param rows - Texts at once. Default 1.
   */
  decode(
    count: number,
    tokens: number,
    around?: (work: () => Promise<void>) => Promise<void>,
    rows?: number,
  ): Promise<Decoding>;
  /**
   * Refuses tokens that the model, reading the whole at once, would not have decided, and logits that are no numbers.
   *
   * @throws {Error} By rejection, saying which token.
   */
  check(workload: string, tokenIds: Int32Array, count: number): Promise<void>;
}

/** Processor time of this process so far, over all threads, in milliseconds. */
export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Time from now on. */
export const stopwatch = (): (() => Spent) => {
  const [began, cpu] = [performance.now(), cpuMs()];
  return () => ({ ms: performance.now() - began, cpuMs: cpuMs() - cpu });
};

/** Ids of a prompt, spread over the vocabulary. */
export const promptIds = (count: number, vocabularySize: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7919 + 13) % vocabularySize);

/** How far below the largest logit that of a decided token may lie, as a part of it: kernels for one row sum otherwise. */
const TOLERANCE = 1e-3;

const argmax = (values: ArrayLike<number>): number => {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
};

/** A task as something to be timed. */
export const timed = async (task: CausalLM): Promise<Timed> => {
  const lm = task.compile({ sampler: 'greedy' });
  const { model } = lm.backbone;
  const device = await deviceOf(lm.backbone);
  const params = await heldParams(device, lm.params);

  const run = (count: number, length: number, rows: number) => {
    const tokenIds = new Int32Array(length);
    tokenIds.set(promptIds(count, model.vocabularySize));
    const paddingMask = new Uint8Array(length).fill(1, 0, count);
    return generateTokens({
      device,
      model,
      params,
      sampler: lm.sampler,
      prompt: repeatRows({ tokenIds, paddingMask, batch: 1, length }, rows),
      stopTokenIds: null,
      keys: new Int32Array(2 * rows),
    });
  };

  /** The first row, of which the others are copies. */
  const one = (tokenIds: Int32Array, rows: number): Int32Array => {
    const length = tokenIds.length / rows;
    const at = tokenIds.findIndex((id, i) => id !== tokenIds[i % length]);
    if (at !== -1)
      throw new Error(
        `expected the same tokens in all ${rows} rows, got ${tokenIds[at]} for ${tokenIds[at % length]} at place ${at % length} of row ${Math.floor(at / length)}; these timings would mean nothing`,
      );
    return tokenIds.slice(0, length);
  };

  return {
    device,
    prefill: async (count, rows = 1) => {
      const spent = stopwatch();
      for await (const { tokenIds } of run(count, count + 1, rows)) {
        const taken = spent();
        return { tokenIds: one(tokenIds, rows), ...taken };
      }
      throw new Error(`prefill${count}: expected a token, got none`);
    },
    decode: async (count, tokens, around = (work) => work(), rows = 1) => {
      const steps = run(count, count + 1 + tokens, rows);
      let next = await steps.next();
      let { tokenIds } = next.value;
      let taken: Spent = { ms: 0, cpuMs: 0 };
      await around(async () => {
        const spent = stopwatch();
        for (next = await steps.next(); next.done !== true; next = await steps.next()) tokenIds = next.value.tokenIds;
        taken = spent();
      });
      return { tokenIds: one(tokenIds, rows), ...taken };
    },
    check: async (workload, tokenIds, count) => {
      const places = Int32Array.from({ length: tokenIds.length - count }, (_, i) => count - 1 + i);
      const { hidden } = model.apply(params, {
        tokenIds: tensor(tokenIds.slice(0, -1), { shape: [1, tokenIds.length - 1] }),
      });
      const rows = take(reshape(hidden, [-1, hidden.shape.at(-1)!]), tensor(places, { shape: [places.length] }));
      const logits = model.logits(params, reshape(rows, [1, places.length, hidden.shape.at(-1)!]));
      const [read] = await device.evaluate([logits]);
      for (const [i, place] of places.entries()) {
        const row = read!.data.subarray(i * model.vocabularySize, (i + 1) * model.vocabularySize);
        const wrong = row.findIndex((value) => !Number.isFinite(value));
        if (wrong !== -1)
          throw new Error(`${workload}: expected finite logits at place ${place}, got ${row[wrong]} for id ${wrong}`);
        const [decided, best] = [tokenIds[place + 1]!, argmax(row)];
        if (row[decided]! < row[best]! - TOLERANCE * Math.max(1, Math.abs(row[best]!)))
          throw new Error(
            `${workload}: expected token ${best} at place ${place + 1}, as of the whole read at once, got ${decided}; these timings would mean nothing`,
          );
      }
    },
  };
};

/** A workload, once; of decoding, so many tokens of each row. */
export const runWorkload = (lm: Timed, workload: Workload, tokens = DECODED): Promise<Decoding> =>
  workload.kind === 'decode'
    ? lm.decode(promptOf(workload), tokens, undefined, workload.rows)
    : lm.prefill(workload.count, workload.rows);
