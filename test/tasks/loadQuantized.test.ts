import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MatrixOrder, paramOf, quantizedOrder } from '../../src/models/quantize.ts';
import type { QuantizedSource } from '../../src/models/weightEntry.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { loadQuantized } from '../../src/tasks/loadQuantized.ts';
import { quantizedDatasets } from '../../src/tasks/storedQuantized.ts';
import { countBlocks, quantizedShapes, quantizeMatrix } from '../../src/tensor/quantized.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { StoredTensor } from '../../src/weights/index.ts';

/** A device to which tensors go in pieces of so many bytes, as a real one takes larger ones. */
const inPieces = (bytes: number): Device => ({
  ...referenceDevice,
  upload: async (label, source) => {
    const size = count(source.shape) * 4;
    const whole = new Uint8Array(size);
    for (let start = 0; start < size; start += bytes) {
      const end = Math.min(size, start + bytes);
      whole.set(await source.read(start, end), start);
    }
    return referenceDevice.upload(label, { ...source, read: async (start, end) => whole.subarray(start, end) });
  },
});

interface Case {
  readonly bits: 8 | 4;
  readonly rows: number;
  readonly heads: number;
  readonly headDim: number;
  readonly block: number;
  readonly order: MatrixOrder;
  readonly isPacked: boolean;
  readonly pieces: number;
  readonly seed: number;
}

/** Where a matrix of a case stands in a file. */
const sourceOf = ({ bits, rows, heads, headDim, block, order, isPacked }: Case) => {
  const columns = heads * headDim;
  const own = bits === 8 ? rows : Math.min(block, rows);
  const format = { bits, columns, block: own };
  const blocks = countBlocks(rows, format);
  const bytes = (size: number): number => (bits === 8 ? size : Math.ceil(size / 2));
  const shapes: Readonly<Record<MatrixOrder, Shape>> = {
    rows: [rows, bytes(columns)],
    columns: [columns, isPacked ? Math.ceil(rows / 4) : bytes(rows)],
    heads: [heads, rows, headDim],
  };
  const beside = (name: string): { readonly name: string; readonly shape: Shape } => ({
    name,
    shape: order === 'columns' ? [columns, blocks] : [blocks, columns],
  });
  const source: QuantizedSource = {
    format,
    form: { rows, columns, order },
    order,
    numbers: isPacked ? { dtype: 'int32', flip: 0x80 } : { dtype: 'int8', flip: bits === 4 ? 0x88 : 0 },
    scales: beside('scales'),
    dividesByScales: bits === 8 && !isPacked,
    ...(bits === 4 ? { zeros: beside('zeros'), groups: { name: 'groups', shape: [rows] } } : {}),
    ...(isPacked ? { extent: { name: 'extent', shape: [2] } } : {}),
  };
  const shape: Readonly<Record<MatrixOrder, Shape>> = { ...shapes, rows: [rows, columns], columns: [columns, rows] };
  return { source, stored: shapes[order], shape: shape[order] };
};

const cases: fc.Arbitrary<Case> = fc
  .record({
    bits: fc.constantFrom<8 | 4>(8, 4),
    rows: fc.integer({ min: 1, max: 40 }),
    heads: fc.integer({ min: 2, max: 5 }),
    headDim: fc.integer({ min: 2, max: 40 }),
    block: fc.integer({ min: 1, max: 50 }),
    order: fc.constantFrom<MatrixOrder>('rows', 'columns', 'heads'),
    isPacked: fc.boolean(),
    pieces: fc.constantFrom(4, 60, 256, 5000),
    seed: fc.nat(),
  })
  .map((own) => ({
    ...own,
    order: own.bits === 4 && own.order === 'heads' ? 'rows' : own.order,
    isPacked: own.isPacked && own.bits === 8 && own.order === 'columns',
  }));

const matrixOf = ({ rows, seed }: Case, { format }: QuantizedSource): Float32Array => {
  let state = seed >>> 0;
  return Float32Array.from({ length: rows * format.columns }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};

const bytesOf = async (data: Uint8Array | (() => AsyncIterable<Uint8Array>)): Promise<Uint8Array> => {
  if (data instanceof Uint8Array) return data;
  const pieces: Uint8Array[] = [];
  for await (const piece of data()) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
};

describe('a matrix in few bits', () => {
  it('comes back from a file as it was, in pieces of any size, bit for bit', () =>
    fc.assert(
      fc.asyncProperty(cases, async (own) => {
        const { source, stored, shape } = sourceOf(own);
        const { format, form } = source;
        const { words, scales, zeros } = quantizeMatrix(matrixOf(own, source), form.rows, format);
        const shapes = quantizedShapes(form.rows, format);
        const held = {
          words: tensor(words, { shape: shapes.words }),
          scales: tensor(scales, { shape: shapes.scales }),
          zeros: zeros && tensor(zeros, { shape: shapes.scales }),
        };
        const param = paramOf(dequantize(held, format), form, shape);
        if (own.rows > 1) expect(quantizedOrder(param)).toBe(own.order);

        const name = { name: 'numbers', shape: stored, part: {} };
        const files = new Map<string, StoredTensor>();
        for (const [path, { dtype, shape: size, data }] of quantizedDatasets(
          referenceDevice,
          name,
          source,
          param,
          undefined,
          own.pieces,
        )) {
          const bytes = await bytesOf(data);
          const read = async (start: number, end: number): Promise<Uint8Array> => bytes.slice(start, end);
          files.set(path, { name: path, dtype, shape: size, byteLength: bytes.length, read });
        }
        const { scales: _, zeros: _zeros, groups: _groups, extent: _extent, ...rest } = source;
        const matched = {
          ...rest,
          scales: files.get('scales')!,
          zeros: files.get('zeros'),
          groups: files.get('groups'),
          extent: files.get('extent'),
        };
        const again = await loadQuantized(
          inPieces(own.pieces),
          'file',
          [{ path: 'kernel', form, format, source: files.get('numbers')!, quantized: matched, shape }],
          (tensor, start, end) => tensor.read(start, end),
          own.pieces,
        );
        const evaluated = await referenceDevice.evaluate([...again.held, ...again.params]);
        const values = evaluated.map(({ data }) => Array.from(data));
        const [y] = await referenceDevice.evaluate([param]);
        expect(values[0]).toEqual(Array.from(words));
        expect(values[1]).toEqual(Array.from(scales));
        if (zeros !== undefined) expect(values[2]).toEqual(Array.from(zeros));
        expect(values.at(-1)).toEqual(Array.from(y!.data));
      }),
      { numRuns: 60 },
    ));
});
