import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as purelm from '../../src/index.ts';
import { preNormSites, siteNames, siteTable } from '../../src/layers/sites.ts';
import { gpt2 } from '../../src/models/gpt2/gpt2.ts';

const page = readFileSync(new URL('../../docs/sites.md', import.meta.url), 'utf8');

/** The table as the page must show it. */
const rows = siteNames.map((site) => {
  const { shape, meaning, isLazy, transformerLens, scope } = siteTable[site];
  const hook = transformerLens?.replace(/^(\S+)(.*)$/, '`$1`$2') ?? '';
  const cells = [
    `\`${site}\`${isLazy ? ' *' : ''}`,
    scope === 'layer' ? 'i' : '',
    `[${shape.join(', ')}]`,
    meaning,
    hook,
  ];
  return `| ${cells.join(' | ')} |`.replace(/ {2,}/g, ' ');
});

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<unknown>;

describe('docs/sites.md', () => {
  it('shows the table of sites', () => {
    const shown = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(shown, `The rows should be:\n${rows.join('\n')}`).toEqual(rows);
  });

  it('shows the sites in the order in which a model lists them', () => {
    const { sites } = gpt2({
      vocabularySize: 5,
      numLayers: 1,
      numHeads: 1,
      hiddenDim: 4,
      intermediateDim: 4,
      dropout: 0,
      maxSequenceLength: 4,
      layerNormEpsilon: 1e-5,
      activation: 'geluApproximate',
    });
    expect(sites.map(({ site }) => site)).toEqual(preNormSites);
  });

  it('has code that runs as it stands', async () => {
    const code = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) =>
      block!.replace(/^import (\{[^}]*\}) from 'purelm';$/gm, 'const $1 = purelm;'),
    );
    expect(code.length).toBe(3);
    const run = new AsyncFunction(
      'purelm',
      `${code.join('\n')}; return { values, ablated, data, steered, plain: await lm.generate('The old fox', { maxLength: 16 }) };`,
    );
    const { values, ablated, data, steered, plain } = (await run(purelm)) as {
      readonly values: Readonly<Record<string, purelm.NDArray>>;
      readonly ablated: purelm.NDArray;
      readonly data: Float32Array;
      readonly steered: string;
      readonly plain: string;
    };
    expect(Object.keys(values)).toContain('pattern 0');
    expect(ablated.data).not.toEqual(values.logits!.data);
    expect(data.some((value) => value !== 0)).toBe(true);
    expect(data.every(Number.isFinite)).toBe(true);
    expect(steered).not.toBe(plain);
  });
});
