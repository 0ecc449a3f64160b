import { describe, expect, it } from 'vitest';
import { referenceDevice } from '../../src/runtime/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encoderCases } from '../families/encoderFamilies.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Inputs {
  readonly tokenIds: number[][];
  readonly segmentIds?: number[][];
  readonly paddingMask?: boolean[][];
  readonly maskPositions: number[][];
}

interface Outputs {
  readonly sequence?: RecordedFloats;
  readonly pooled?: RecordedFloats;
  readonly logits?: RecordedFloats;
}

interface ClassifiedTexts {
  readonly first: string[];
  readonly second: string[];
  readonly tokenIds: number[][];
  readonly logits: RecordedFloats;
  readonly pairLogits: RecordedFloats;
}

interface FilledTexts {
  readonly masked: string[];
  readonly filled: { readonly tokenId: number; readonly score: number }[][][];
}

interface Recording {
  readonly recordings: readonly {
    readonly preset: string;
    readonly kind: 'masked_lm' | 'text_classifier' | 'backbone';
    readonly inputs: Readonly<Record<string, Inputs>>;
    readonly outputs: Readonly<Record<string, Outputs>>;
    readonly texts?: Partial<ClassifiedTexts & FilledTexts>;
  }[];
}

/** The largest distance between numbers, over the rows of the last axis that count. */
const distance = (
  { data, shape }: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  recorded: RecordedFloats,
  counts: (row: number) => boolean,
): number => {
  expect(shape).toEqual(recorded.shape);
  const width = shape.at(-1)!;
  return floats(recorded).reduce(
    (worst, value, i) => (counts(Math.floor(i / width)) ? Math.max(worst, Math.abs(data[i]! - value)) : worst),
    0,
  );
};

describe.each(encoderCases)('recordings of $name', ({ name, openBackbone, openMaskedLM, openTextClassifier }) => {
  const { recordings } = fixture<Recording>(`encoders/${name}`);

  describe.each(recordings)('$preset', ({ preset, kind, inputs, outputs }) => {
    it.each(['reference', 'webgpu'] as const)('S107: loaded on %s, is within 1e-4 of them', async (where) => {
      const device = where === 'reference' ? referenceDevice : await webgpuTestDevice();
      const path = presetPath(preset);
      const loaded =
        kind === 'masked_lm'
          ? await openMaskedLM(path, { device })
          : kind === 'text_classifier'
            ? await openTextClassifier(path, { device })
            : { backbone: await openBackbone(path, { device }), apply: undefined };
      const wanted = Object.entries(outputs).flatMap(([what, recorded]) => {
        const given = inputs[what]!;
        const { maskPositions: _, ...tokens } = given;
        // transformers numbers padded places otherwise, and lets them see otherwise; KerasHub's are ours.
        const real = preset.startsWith('keras/') ? undefined : given.paddingMask?.flat();
        const { sequence, pooled } = loaded.backbone.apply(tokens);
        const own: Record<keyof Outputs, () => Tensor> = {
          sequence: () => sequence,
          pooled: () => pooled!,
          logits: () => loaded.apply!(given),
        };
        return Object.entries(recorded).map(([part, numbers]: [string, RecordedFloats]) => ({
          what: `${what}: ${part}`,
          tensor: own[part as keyof Outputs](),
          numbers,
          counts: part === 'sequence' && real !== undefined ? (row: number) => real[row]! : () => true,
        }));
      });
      const values = await device.evaluate(wanted.map(({ tensor }) => tensor));
      for (const [i, { what, numbers, counts }] of wanted.entries())
        expect(distance(values[i]!, numbers, counts), what).toBeLessThan(1e-4);
    });
  });

  const classified = recordings.flatMap(({ preset, texts }) => (texts?.first ? [{ preset, ...texts }] : []));

  it.each(classified)('$preset classifies texts and pairs as its library does', async (recorded) => {
    const { preset, first, second, tokenIds, logits, pairLogits } = recorded as ClassifiedTexts & { preset: string };
    const classifier = await openTextClassifier(presetPath(preset), { device: await webgpuTestDevice() });
    const { data, shape } = classifier.preprocessor!(first).x.tokenIds;
    const ids = first.map((_, row) => [...data.subarray(row * shape[1]!, (row + 1) * shape[1]!)]);
    // KerasHub's rows are as long as its preprocessor says, transformers' as the longest text.
    const real = (row: readonly number[]): string => row.join(' ').replace(/( (0|1|3))+$/, '');
    expect(ids.map(real)).toEqual(tokenIds.map(real));
    expect(distance(await classifier.predict(first), logits, () => true)).toBeLessThan(1e-4);
    const pairs = first.map((text, i) => ({ first: text, second: second[i]! }));
    expect(distance(await classifier.predict(pairs), pairLogits, () => true)).toBeLessThan(1e-4);
  });

  const filled = recordings.flatMap(({ preset, texts }) => (texts?.masked ? [{ preset, ...texts }] : []));

  it.each(filled)('D8: $preset fills masks as its library does, with its own head', async (recorded) => {
    const { preset, masked, filled: wanted } = recorded as FilledTexts & { preset: string };
    const task = await openMaskedLM(presetPath(preset), { device: await webgpuTestDevice() });
    for (const [i, text] of masked.entries()) {
      const best = await task.fillMask(text, { topK: 3 });
      expect(best.map((mask) => mask.map(({ tokenId }) => tokenId))).toEqual(
        wanted[i]!.map((mask) => mask.map(({ tokenId }) => tokenId)),
      );
      for (const [j, mask] of best.entries())
        for (const [k, { score }] of mask.entries())
          expect(Math.abs(score - wanted[i]![j]![k]!.score)).toBeLessThan(1e-5);
    }
  });
});
