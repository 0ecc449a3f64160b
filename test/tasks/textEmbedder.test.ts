import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BertBackbone,
  BertTextClassifierPreprocessor,
  BertTokenizer,
  type Device,
  read,
  referenceDevice,
  TextEmbedder,
} from '../../src/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

interface Recording {
  readonly cases: readonly {
    readonly preset: string;
    readonly texts: readonly string[];
    readonly embeddings: RecordedFloats;
  }[];
}

const { cases } = fixture<Recording>('embedder');

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

describe.each(devices)('TextEmbedder on %s', (_name, open) => {
  it.each(cases.map((own) => [own.preset, own] as const))(
    'embeds as sentence-transformers does: %s',
    async (preset, { texts, embeddings }) => {
      const embedder = await TextEmbedder.fromPreset(presetPath(preset), { device: await open() });
      const expected = floats(embeddings);
      const { data, shape } = await embedder.encodeText(texts, { batchSize: 3 });
      expect(shape).toEqual(embeddings.shape);
      const width = shape[1]!;
      for (let row = 0; row < texts.length; row++) {
        const [own, theirs] = [data, expected].map((all) => all.slice(row * width, (row + 1) * width)) as [
          Float32Array,
          Float32Array,
        ];
        expect(cosine(own, theirs), texts[row]).toBeGreaterThan(1 - 1e-6);
        for (let i = 0; i < width; i++) expect(Math.abs(own[i]! - theirs[i]!)).toBeLessThan(1e-5);
      }
    },
  );
});

describe('TextEmbedder', () => {
  let embedder: Awaited<ReturnType<typeof TextEmbedder.fromPreset>>;
  beforeAll(async () => {
    embedder = await TextEmbedder.fromPreset(presetPath('sentence/mean'), { device: await webgpuTestDevice() });
  });

  it('reads what the folder says', () => {
    expect(embedder.poolingMode).toBe('mean');
    expect(embedder.normalize).toBe(true);
    expect(embedder.preprocessor?.sequenceLength).toBe(24);
  });

  it('gives a text the same embedding alone, in a batch, and as tokens', async () => {
    const [alone, together] = [
      await embedder.encodeText('the lazy dog'),
      await embedder.encodeText(['a much longer text about the planet that is known as venus', 'the lazy dog', 'dog']),
    ];
    expect(alone.shape).toEqual([1, 12]);
    for (let i = 0; i < 12; i++) expect(together.data[12 + i]).toBeCloseTo(alone.data[i]!, 5);
    const { x } = embedder.preprocessor!(['the lazy dog']);
    const tokens = await embedder.encodeText(x);
    for (let i = 0; i < 12; i++) expect(tokens.data[i]).toBeCloseTo(alone.data[i]!, 5);
    const expression = await read(embedder.apply(x));
    for (let i = 0; i < 12; i++) expect(expression.data[i]).toBeCloseTo(alone.data[i]!, 5);
  });

  it('finds the like, and tells how far it has come', async () => {
    const seen: number[] = [];
    const documents = Array.from({ length: 70 }, (_, i) => (i === 41 ? 'the lazy dog' : `planet ${i} is known`));
    const vectors = await embedder.encodeText(documents, { onProgress: ({ done }) => seen.push(done) });
    const { data, shape } = await embedder.similarity(await embedder.encodeText('the lazy dog'), vectors);
    expect(shape).toEqual([1, 70]);
    expect(data.indexOf(Math.max(...data))).toBe(41);
    expect(data[41]).toBeCloseTo(1, 5);
    expect(seen).toEqual([32, 64, 70]);
  });

  it('takes the largest value of real places', async () => {
    const backbone = BertBackbone({
      vocabularySize: 20,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 6,
      intermediateDim: 8,
      maxSequenceLength: 8,
    });
    const largest = TextEmbedder({ backbone, poolingMode: 'max', normalize: false });
    const tokens = { tokenIds: [[5, 6, 7, 9]], paddingMask: [[true, true, true, false]] };
    const { sequence } = backbone.apply(tokens);
    const { hidden, one } = await read({ hidden: sequence, one: largest.apply(tokens) });
    for (let i = 0; i < 6; i++)
      expect(one.data[i]).toBeCloseTo(Math.max(...[0, 1, 2].map((place) => hidden.data[place * 6 + i]!)), 5);
  });

  it('refuses what it cannot do', async () => {
    const { backbone } = embedder;
    expect(() => TextEmbedder({ backbone, poolingMode: 'median' as 'mean' })).toThrow('mean, cls, max');
    await expect(TextEmbedder({ backbone }).encodeText('text')).rejects.toThrow('no preprocessor');
    await expect(embedder.encodeText([])).rejects.toThrow('at least one text');
    await expect(embedder.encodeText('a', { batchSize: 0 })).rejects.toThrow('batchSize');
    await expect(TextEmbedder.fromPreset(presetPath('keras/a_float32'))).rejects.toThrow('BertBackbone');
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    await expect(embedder.encodeText('a', { signal: abort.signal })).rejects.toThrow('enough');
  });

  it('refuses steps and poolings that it does not have, by name', async () => {
    const folder = await temporaryFolder();
    const write = async (types: readonly string[], pooling: object): Promise<void> => {
      await mkdir(join(folder, '1_Pooling'), { recursive: true });
      const modules = types.map((type, i) => ({
        type: `sentence_transformers.models.${type}`,
        path: i === 1 ? '1_Pooling' : '',
      }));
      await writeFile(join(folder, 'modules.json'), JSON.stringify(modules));
      await writeFile(join(folder, '1_Pooling', 'config.json'), JSON.stringify(pooling));
    };
    await write(['Transformer', 'Pooling', 'Dense'], { pooling_mode: 'mean' });
    await expect(TextEmbedder.fromPreset(folder)).rejects.toThrow('Transformer, Pooling, Dense');
    await write(['Transformer', 'Pooling'], { pooling_mode_lasttoken: true });
    await expect(TextEmbedder.fromPreset(folder)).rejects.toThrow('pooling_mode_lasttoken');
    await write(['Transformer', 'Pooling'], { pooling_mode_mean_tokens: true, pooling_mode_cls_token: true });
    await expect(TextEmbedder.fromPreset(folder)).rejects.toThrow(
      'pooling_mode_mean_tokens and pooling_mode_cls_token',
    );
  });

  it('works over a preprocessor of one’s own', async () => {
    const tokenizer = await BertTokenizer.fromPreset(presetPath('sentence/mean'));
    const preprocessor = BertTextClassifierPreprocessor({ tokenizer, sequenceLength: 16 });
    const own = TextEmbedder({ backbone: embedder.backbone, preprocessor });
    const [a, b] = [await own.encodeText('the dog'), await embedder.encodeText('the dog')];
    for (let i = 0; i < 12; i++) expect(a.data[i]).toBeCloseTo(b.data[i]!, 5);
  });
});
