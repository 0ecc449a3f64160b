import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import { BeamSampler, ContrastiveSampler, type SamplerLike } from '../../src/samplers/index.ts';
import { BartSeq2SeqLM } from '../../src/tasks/bart.ts';
import type { GenerateOptions } from '../../src/tasks/generate.ts';
import type { GeneratedSeq2SeqTokens } from '../../src/tasks/seq2seqLM.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Seq2SeqTexts } from '../../src/tokenizers/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, presetPath } from '../support/fixtures.ts';

interface RecordedTokens {
  readonly encoderTokenIds: number[][];
  readonly encoderPaddingMask: number[][];
  readonly decoderTokenIds: number[][];
  readonly decoderPaddingMask: number[][];
}

interface Recorded {
  readonly name: string;
  readonly rows: readonly string[];
  readonly preset: string;
  readonly preprocessor: boolean;
  readonly sampler: keyof typeof samplers;
  readonly inputs: string | string[] | Seq2SeqTexts | RecordedTokens;
  readonly options: GenerateOptions;
  readonly error?: string;
  readonly result?:
    | string
    | string[]
    | { readonly decoderTokenIds: number[][]; readonly decoderPaddingMask: boolean[][] };
  readonly tokenIds?: number[][];
  readonly paddingMask?: boolean[][];
}

const samplers = {
  greedy: 'greedy',
  beam2: BeamSampler({ numBeams: 2 }),
  beam4: BeamSampler({ numBeams: 4 }),
  contrastive: ContrastiveSampler({ k: 4, alpha: 0.5 }),
} as const satisfies Readonly<Record<string, SamplerLike>>;

const { records, lengths } = fixture<{
  readonly records: readonly Recorded[];
  readonly lengths: { readonly encoderSequenceLength: number; readonly decoderSequenceLength: number };
}>('bart/generate');

const rows = ({ data, shape }: NDArray): number[][] =>
  Array.from({ length: shape[0]! }, (_, row) =>
    Array.from(data.subarray(row * shape[1]!, (row + 1) * shape[1]!), Number),
  );

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const;

const taskOf = async (record: Recorded, open: (typeof devices)[number][1]): Promise<BartSeq2SeqLM> => {
  const lm = await BartSeq2SeqLM.fromPreset(presetPath(record.preset), {
    device: await open(),
    dtype: 'float32',
    ...(record.preprocessor ? {} : { preprocessor: null }),
  });
  return BartSeq2SeqLM({
    backbone: lm.backbone,
    preprocessor: lm.preprocessor?.withLengths(lengths) ?? null,
    sampler: samplers[record.sampler],
  });
};

const kept = new Map<string, Promise<BartSeq2SeqLM>>();
const task = (name: string, open: (typeof devices)[number][1], record: Recorded): Promise<BartSeq2SeqLM> => {
  const key = [name, record.preset, record.preprocessor, record.sampler].join();
  const own = kept.get(key) ?? taskOf(record, open);
  kept.set(key, own);
  return own;
};

const good = records.filter(({ error }) => error === undefined);

describe.each(devices)('BartSeq2SeqLM.generate on %s gives what KerasHub gives', (name, open) => {
  it.each(good.map((record) => [`${record.rows.join(', ')}: ${record.sampler}, ${record.name}`, record] as const))(
    '%s',
    async (_, record) => {
      const lm = await task(name, open, record);
      const made: unknown = await lm.generate(record.inputs as string, record.options);
      if (record.preprocessor) {
        expect(made).toEqual(record.result);
        return;
      }
      const { decoderTokenIds, decoderPaddingMask } = made as GeneratedSeq2SeqTokens;
      const expected = record.result as unknown as Pick<RecordedTokens, 'decoderTokenIds' | 'decoderPaddingMask'>;
      expect(rows(decoderPaddingMask)).toEqual(expected.decoderPaddingMask.map((row) => row.map(Number)));
      expect(rows(decoderTokenIds)).toEqual(expected.decoderTokenIds);
    },
  );
});
