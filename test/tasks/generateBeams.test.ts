import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import type { GeneratedTokens } from '../../src/tasks/causalLM.ts';
import type { Beam, GenerateOptions } from '../../src/tasks/generate.ts';
import { GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath } from '../support/fixtures.ts';
import {
  isTokens,
  type RecordedBeams,
  type RecordedSampler,
  rowsOf,
  samplerOf,
  type TokenDict,
} from '../support/recorded.ts';

interface BeamRecord {
  readonly name: string;
  readonly sampler: RecordedSampler;
  readonly preset: string;
  readonly preprocessor: boolean;
  readonly inputs: string | string[] | TokenDict;
  readonly options: {
    readonly max_length?: number;
    readonly stop_token_ids?: 'auto' | null | number[];
    readonly strip_prompt?: boolean;
  };
  readonly result: string | string[] | TokenDict;
  readonly beams?: RecordedBeams;
}

const { records } = fixture<{ readonly records: readonly BeamRecord[] }>('beam');

const optionsOf = ({ options }: BeamRecord): GenerateOptions => ({
  ...(options.max_length === undefined ? {} : { maxLength: options.max_length }),
  ...(options.stop_token_ids === undefined ? {} : { stopTokenIds: options.stop_token_ids }),
  ...(options.strip_prompt === undefined ? {} : { stripPrompt: options.strip_prompt }),
});

const loaded = new Map<string, Promise<GPT2CausalLM>>();

/** A preset's model with a sampler, made once: its plans serve all records. */
const load = (record: BeamRecord, kind: 'reference' | 'webgpu', returnAllBeams: boolean): Promise<GPT2CausalLM> => {
  const { preset, preprocessor, sampler } = record;
  const key = JSON.stringify([preset, preprocessor, kind, sampler, returnAllBeams]);
  let lm = loaded.get(key);
  if (lm === undefined) {
    lm = (async () => {
      const device = kind === 'reference' ? referenceDevice : await webgpuTestDevice();
      const options = { device, ...(preprocessor ? {} : { preprocessor: null }) };
      return (await GPT2CausalLM.fromPreset(presetPath(preset), options)).compile({
        sampler: samplerOf(sampler, returnAllBeams),
      });
    })();
    loaded.set(key, lm);
  }
  return lm;
};

const generate = async (record: BeamRecord, kind: 'reference' | 'webgpu', returnAllBeams = false): Promise<unknown> => {
  const lm = await load(record, kind, returnAllBeams);
  const { inputs } = record;
  if (!isTokens(inputs)) return lm.generate(inputs as string, optionsOf(record));
  const tokens = { tokenIds: inputs.token_ids, paddingMask: inputs.padding_mask.map((row) => row.map(Boolean)) };
  return lm.generate(tokens, optionsOf(record));
};

const describeSampler = ({ class: name, ...options }: RecordedSampler): string =>
  `${name} ${JSON.stringify(options).replaceAll('"', '')}`;

describe.each(['reference', 'webgpu'] as const)('search on %s', (kind) => {
  for (const record of records) {
    const row = record.sampler.class === 'BeamSampler' ? 'S72' : 'S73';
    it(`${row}: ${describeSampler(record.sampler)}, ${record.name} (${record.preset}): as KerasHub`, async () => {
      const made = await generate(record, kind);
      if (!isTokens(record.result)) return expect(made).toEqual(record.result);
      const { tokenIds, paddingMask } = made as GeneratedTokens;
      const rows = record.result.token_ids.length;
      expect(rowsOf(tokenIds.data, rows)).toEqual(record.result.token_ids);
      expect(rowsOf(paddingMask.data, rows)).toEqual(record.result.padding_mask.map((own) => own.map(Number)));
    });
  }

  for (const record of records.filter(({ beams, options }) => beams !== undefined && options.strip_prompt !== true))
    it(`S72: returnAllBeams, ${describeSampler(record.sampler)}, ${record.name} (${record.preset}): as KerasHub’s sampler`, async () => {
      const { tokenIds, logProbs } = record.beams!;
      const scores = Array.from(floats(logProbs));
      const made = await generate(record, kind, true);
      if (isTokens(record.inputs)) {
        const all = made as GeneratedTokens;
        const [batch, beams, length] = [tokenIds.length, tokenIds[0]!.length, tokenIds[0]![0]!.length];
        expect(all.tokenIds.shape).toEqual([batch, beams, length]);
        expect(all.paddingMask.shape).toEqual([batch, beams, length]);
        expect(Array.from(all.tokenIds.data)).toEqual(tokenIds.flat(2));
        expect(all.logProbs!.shape).toEqual([batch, beams]);
        // Sums of as many logarithms as there are places, each a few roundings off.
        all.logProbs!.data.forEach((own, i) => {
          expect(Math.abs(own - scores[i]!)).toBeLessThan(1e-4);
        });
        return;
      }
      const lists = (typeof record.inputs === 'string' ? [made] : made) as readonly (readonly Beam[])[];
      const best = typeof record.inputs === 'string' ? [record.result] : (record.result as string[]);
      expect(lists.map(([first]) => first!.text)).toEqual(best);
      lists.flat().forEach(({ logProb }, i) => {
        expect(Math.abs(logProb - scores[i]!)).toBeLessThan(1e-4);
      });
    });
});
