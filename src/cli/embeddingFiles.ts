import type { TensorToWrite } from '../weights/index.ts';

/** Embeddings as they come: some texts, and a row of `width` numbers for each. */
export interface Embedded {
  readonly texts: readonly string[];
  readonly rows: Float32Array;
}

/** What a file of embeddings is written from. */
export interface Embeddings {
  readonly count: number;
  readonly width: number;
  /** All of them, in order. */
  readonly chunks: () => AsyncIterable<Embedded>;
}

const bytesOf = (rows: Float32Array): Uint8Array => new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);

async function* numbers(chunks: AsyncIterable<Embedded>): AsyncGenerator<Uint8Array> {
  for await (const { rows } of chunks) yield bytesOf(rows);
}

/**
 * NumPy's .npy file: a float32 array of `[count, width]`, row-major.
 *
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0
 */
export async function* npyContent({ count, width, chunks }: Embeddings): AsyncGenerator<Uint8Array> {
  const said = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count}, ${width}), }`;
  // Magic, version and length are 10 bytes; the data begins at a multiple of 64.
  const length = Math.ceil((10 + said.length + 1) / 64) * 64 - 10;
  const header = new Uint8Array(10 + length).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 0xff, length >> 8]);
  header.set(new TextEncoder().encode(said), 10);
  header[header.length - 1] = 0x0a;
  yield header;
  yield* numbers(chunks());
}

/** The one tensor of a safetensors file, `embeddings`. */
export const embeddingsTensor = ({ count, width, chunks }: Embeddings): TensorToWrite => ({
  name: 'embeddings',
  dtype: 'float32',
  shape: [count, width],
  data: () => numbers(chunks()),
});

/** A line of JSON for each text: nine digits are enough for every float32. */
export const jsonLine = (text: string, row: Float32Array): string =>
  `${JSON.stringify({ text, embedding: Array.from(row, (x) => Number(x.toPrecision(9))) })}\n`;

/** The lines of some texts. */
export const jsonLines = ({ texts, rows }: Embedded): string => {
  const width = rows.length / texts.length;
  return texts.map((text, i) => jsonLine(text, rows.subarray(i * width, (i + 1) * width))).join('');
};

/** A file of such lines. */
export async function* jsonlContent({ chunks }: Embeddings): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks()) yield new TextEncoder().encode(jsonLines(chunk));
}
