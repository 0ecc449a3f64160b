import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import type { GeneratedTokens } from '../../src/tasks/causalLM.ts';
import type { GenerateOptions } from '../../src/tasks/generate.ts';
import { GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, presetPath } from '../support/fixtures.ts';

interface TokenDict {
  readonly token_ids: number[][];
  readonly padding_mask: (boolean | number)[][];
}

interface GenerateRecord {
  readonly name: string;
  readonly rows: readonly string[];
  readonly preset: string;
  readonly preprocessor: boolean;
  readonly inputs: string | string[] | TokenDict;
  readonly options: {
    readonly max_length?: number;
    readonly stop_token_ids?: 'auto' | null | number[];
    readonly strip_prompt?: boolean;
  };
  readonly result?: string | string[] | TokenDict;
  readonly error?: string;
}

const { records } = fixture<{ readonly records: readonly GenerateRecord[] }>('generate');

const optionsOf = ({ options }: GenerateRecord): GenerateOptions => ({
  ...(options.max_length === undefined ? {} : { maxLength: options.max_length }),
  ...(options.stop_token_ids === undefined ? {} : { stopTokenIds: options.stop_token_ids }),
  ...(options.strip_prompt === undefined ? {} : { stripPrompt: options.strip_prompt }),
});

const isTokens = (value: unknown): value is TokenDict =>
  typeof value === 'object' && value !== null && 'token_ids' in value;

const rowsOf = (data: ArrayLike<number>, rows: number): number[][] => {
  const all = Array.from(data);
  const length = all.length / rows;
  return Array.from({ length: rows }, (_, row) => all.slice(row * length, (row + 1) * length));
};

const loaded = new Map<string, Promise<GPT2CausalLM>>();

/** A preset's model, loaded once: its plans serve all records. */
const load = (preset: string, preprocessor: boolean, kind: 'reference' | 'webgpu'): Promise<GPT2CausalLM> => {
  const key = `${preset} ${preprocessor} ${kind}`;
  let lm = loaded.get(key);
  if (lm === undefined) {
    lm = (async () => {
      const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
      const options = { device, ...(preprocessor ? {} : { preprocessor: null }) };
      return (await GPT2CausalLM.fromPreset(presetPath(preset), options)).compile({ sampler: 'greedy' });
    })();
    loaded.set(key, lm);
  }
  return lm;
};

const generate = async (record: GenerateRecord, kind: 'reference' | 'webgpu'): Promise<unknown> => {
  const lm = await load(record.preset, record.preprocessor, kind);
  const { inputs } = record;
  if (!isTokens(inputs)) return lm.generate(inputs as string, optionsOf(record));
  const { tokenIds, paddingMask }: GeneratedTokens = await lm.generate(
    { tokenIds: inputs.token_ids, paddingMask: inputs.padding_mask.map((row) => row.map(Boolean)) },
    optionsOf(record),
  );
  const rows = inputs.token_ids.length;
  return {
    token_ids: rowsOf(tokenIds.data, rows),
    padding_mask: rowsOf(paddingMask.data, rows),
  };
};

// What we do otherwise on purpose: a stop id that is the padding id counts only where something was generated (S59),
// and token ids are taken although a preprocessor is attached.
const different = [
  'the padding id as stop id (KerasHub stops at once)',
  'token dict although a preprocessor is attached',
];

describe.each(['reference', 'webgpu'] as const)('greedy generate on %s', (kind) => {
  for (const record of records) {
    if (different.some((name) => record.name.startsWith(name))) continue;
    const title = `${record.rows.join(' ')} ${record.name} (${record.preset})`;
    if (record.error !== undefined) it(`${title}: is refused`, () => expect(generate(record, kind)).rejects.toThrow());
    else
      it(`${title}: as KerasHub`, async () => {
        const expected = isTokens(record.result)
          ? {
              token_ids: record.result.token_ids,
              padding_mask: record.result.padding_mask.map((row) => row.map(Number)),
            }
          : record.result;
        expect(await generate(record, kind)).toEqual(expected);
      });
  }
});
