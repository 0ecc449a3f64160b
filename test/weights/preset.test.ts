import * as O from 'fp-ts/lib/Option.js';
import { describe, expect, it } from 'vitest';
import { openPreset } from '../../src/weights/index.ts';
import { fixture, readPreset, right } from './helpers.ts';

describe('committed presets of both layouts', () => {
  const same = async (a: string, b: string): Promise<void> => {
    const [first, second] = [await readPreset(fixture(a)), await readPreset(fixture(b))];
    expect(second.config).toEqual(first.config);
    expect(second.params).toEqual(first.params);
  };
  it.each([
    ['keras/a_float32', 'transformers/a_float32'],
    ['keras/a_float32', 'keras/a_float32_sharded'],
    ['keras/a_float32', 'transformers/a_float32_sharded'],
    ['keras/a_float32', 'transformers/a_float32_bare'],
    ['keras/a_float32', 'keras/a_float32_backbone_only'],
    ['keras/a_float16', 'transformers/a_float16'],
    ['keras/a_bfloat16', 'transformers/a_bfloat16'],
    ['keras/b_float32', 'transformers/b_float32'],
    ['keras/c_float32', 'transformers/c_float32'],
    ['keras/c_float32', 'keras/c_float32_sharded'],
    ['keras/c_bfloat16', 'transformers/c_bfloat16'],
  ])('S14 S113 S117 give the same numbers: %s and %s', same);
});

describe('openPreset', () => {
  it('S17 takes the layout and the family from config.json', async () => {
    const keras = right(await openPreset(fixture('keras/c_float32'))());
    expect([keras.layout, keras.family]).toEqual(['keras', 'gpt2']);
    const transformers = right(await openPreset(fixture('transformers/c_float32'))());
    expect([transformers.layout, transformers.family]).toEqual(['transformers', 'gpt2']);
    expect([transformers.taskClass, transformers.sequenceLength]).toEqual([O.none, O.none]);
  });
});
