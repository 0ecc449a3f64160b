import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseShader } from '../../src/runtime/webgpu/shader.ts';
import { type ShaderName, shaderSources } from '../../src/shaders/sources.ts';
import { testDevice } from '../support/device.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const shaders = Object.entries(shaderSources) as readonly (readonly [ShaderName, string])[];

const needsSubgroups = (source: string): boolean => /^\s*enable\s+subgroups\s*;/m.test(source);

describe('shaders', () => {
  it('are all in the record that the runtime reads', () => {
    const files = readdirSync(`${root}src/shaders`).filter((name) => name.endsWith('.wgsl'));
    expect(shaders.map(([name]) => `${name}.wgsl`)).toEqual(files.sort());
  });

  it('compile without a message, as they stand', async () => {
    const { device } = await testDevice();
    const able = device.features.has('subgroups');
    const messages: string[] = [];
    for (const [name, code] of shaders) {
      if (needsSubgroups(code) && !able) continue;
      const module = device.createShaderModule({ code, label: name });
      const info = await module.getCompilationInfo();
      messages.push(...info.messages.map(({ type, message, lineNum }) => `${name}:${lineNum} ${type}: ${message}`));
    }
    expect(messages).toEqual([]);
  });

  it('say at their head what they compute, on which grid, and which file judges them', () => {
    const wrong = shaders.flatMap(([name, code]) => {
      const head = /^(?:\/\/.*\n|enable .*;\n|\n)*/.exec(code)![0];
      const reference = /src\/ops\/\w+\.ts/.exec(head)?.[0];
      return [
        ...(head.startsWith('//') || head.startsWith('enable') ? [] : [`${name}: no head`]),
        ...(/\bgrid\b/i.test(head) ? [] : [`${name}: no grid`]),
        ...(reference !== undefined && existsSync(`${root}${reference}`) ? [] : [`${name}: reference ${reference}`]),
      ];
    });
    expect(wrong).toEqual([]);
  });

  it('bind storage and scalars only, inputs before what is written', () => {
    for (const [name, code] of shaders) {
      const { storage, uniformBinding } = parseShader(name, code);
      expect(storage.some(({ writable }) => writable)).toBe(true);
      const bindings = [
        ...storage.map(({ binding }) => binding),
        ...(uniformBinding === undefined ? [] : [uniformBinding]),
      ];
      expect(new Set(bindings).size).toBe(bindings.length);
    }
  });

  it('have one text for a function that several of them hold, since WGSL has no includes', () => {
    const texts = new Map<string, Set<string>>();
    for (const [, code] of shaders)
      for (const [text, name] of code.matchAll(/^fn (\w+)\((?:.*\}$|[\s\S]*?^\})/gm))
        if (name !== 'main') texts.set(name!, (texts.get(name!) ?? new Set()).add(text));
    const several = [...texts].filter(([, { size }]) => size > 1).map(([name, { size }]) => [name, size]);
    expect(Object.fromEntries(several)).toEqual({
      addRow: 4, // Tiles of other layouts.
      bfloat16: 2,
      bias: 2, // attention.wgsl binds another bias, and so widens otherwise.
      countsBefore: 2,
      finish: 2, // Products of floats continue sums; those of whole numbers do not.
      finished: 3, // Softmax's totals, or a gradient's.
      firstOfLanes: 2,
      hidden: 3, // By whichever uniform cannot be that large.
      placeAt: 2, // In a sorted list, or in a table.
      total: 5, // By lanes, or in workgroup memory; of a number, or of three.
    });
  });
});
