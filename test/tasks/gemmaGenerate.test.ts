import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import { GemmaCausalLM } from '../../src/tasks/gemma.ts';
import type { GenerateOptions } from '../../src/tasks/generate.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, presetPath } from '../support/fixtures.ts';
import { isTokens, type RecordedSampler, rowsOf, samplerOf, type TokenDict } from '../support/recorded.ts';

interface GenerateRecord {
  readonly name: string;
  readonly rows: readonly string[];
  /** Default: greedy. */
  readonly sampler?: RecordedSampler;
  readonly preset: string;
  readonly inputs: string | string[] | TokenDict;
  readonly options: {
    readonly max_length?: number;
    readonly stop_token_ids?: null | number[];
    readonly strip_prompt?: boolean;
  };
  readonly result: string | string[] | TokenDict;
}

const { records, sequenceLength } = fixture<{
  readonly sequenceLength: number;
  readonly records: readonly GenerateRecord[];
}>('gemma/generate');

const optionsOf = ({ options: { max_length, stop_token_ids, strip_prompt } }: GenerateRecord): GenerateOptions => ({
  ...(max_length === undefined ? {} : { maxLength: max_length }),
  ...(stop_token_ids === undefined ? {} : { stopTokenIds: stop_token_ids }),
  ...(strip_prompt === undefined ? {} : { stripPrompt: strip_prompt }),
});

const loaded = new Map<string, Promise<GemmaCausalLM>>();

/** The preset's task, as long as its recordings' preprocessor packs. */
const taskOf = async (preset: string, kind: 'reference' | 'webgpu'): Promise<GemmaCausalLM> => {
  const open = async (): Promise<GemmaCausalLM> => {
    const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
    const lm = await GemmaCausalLM.fromPreset(presetPath(preset), { device });
    return lm.preprocessor === null
      ? lm
      : GemmaCausalLM({ backbone: lm.backbone, preprocessor: lm.preprocessor.withSequenceLength(sequenceLength) });
  };
  const key = `${kind} ${preset}`;
  const known = loaded.get(key) ?? open();
  loaded.set(key, known);
  return known;
};

const generate = async (record: GenerateRecord, kind: 'reference' | 'webgpu'): Promise<unknown> => {
  const { inputs, sampler } = record;
  const greedy = await taskOf(record.preset, kind);
  const lm = sampler === undefined ? greedy : greedy.compile({ sampler: samplerOf(sampler) });
  if (!isTokens(inputs)) return lm.generate(inputs as string, optionsOf(record));
  const { tokenIds, paddingMask } = await lm.generate(
    { tokenIds: inputs.token_ids, paddingMask: inputs.padding_mask.map((row) => row.map(Boolean)) },
    optionsOf(record),
  );
  const rows = inputs.token_ids.length;
  return { token_ids: rowsOf(tokenIds.data, rows), padding_mask: rowsOf(paddingMask.data, rows) };
};

describe.each(['reference', 'webgpu'] as const)('a Gemma generates on %s', (kind) => {
  for (const record of records)
    it(`${record.rows.join(' ')}: ${record.name} (${record.preset}), as KerasHub`, async () => {
      const { result } = record;
      expect(await generate(record, kind)).toEqual(
        isTokens(result)
          ? { token_ids: result.token_ids, padding_mask: result.padding_mask.map((row) => row.map(Number)) }
          : result,
      );
    });
});
