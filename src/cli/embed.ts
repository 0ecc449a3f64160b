import { readFile } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import * as E from 'fp-ts/lib/Either.js';
import { TextEmbedder } from '../tasks/encoders.ts';
import { orReject } from '../tasks/presets.ts';
import type { TextEmbedder as TextEmbedderTask } from '../tasks/textEmbedder.ts';
import { safetensorsContent, writeAtomically } from '../weights/index.ts';
import type { EmbedArguments } from './commands.ts';
import { duration } from './downloadBar.ts';
import {
  type Embedded,
  type Embeddings,
  embeddingsTensor,
  jsonLines,
  jsonlContent,
  npyContent,
} from './embeddingFiles.ts';
import { hasInput, readInput } from './input.ts';
import { withBars } from './load.ts';

/** Texts that are embedded before any of them is written: like lengths among them go through the model together. */
const CHUNK = 4096;

/** The lines of a text, empty ones too, so that rows are lines; the last line end ends the last line. */
const everyLine = (text: string): readonly string[] => {
  const lines = text.split(/\r?\n/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
};

const readLines = async (path: string, signal: AbortSignal): Promise<readonly string[]> => {
  if (path === '-') return everyLine(await readInput(signal));
  try {
    return everyLine(await readFile(path, { encoding: 'utf8', signal }));
  } catch (cause) {
    signal.throwIfAborted();
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Error(`--file ${path}: ${code === 'ENOENT' ? 'no such file' : message}`);
  }
};

/** The texts that are meant: of the command line, then of files, else of standard input. */
const textsOf = async ({ texts, files }: EmbedArguments, signal: AbortSignal): Promise<readonly string[]> => {
  const found = [...texts];
  for (const file of files) for (const line of await readLines(file, signal)) found.push(line);
  if (texts.length === 0 && files.length === 0 && hasInput()) found.push(...everyLine(await readInput()));
  if (found.length === 0) throw new Error('expected texts after the preset, in --file FILE, or on standard input');
  return found;
};

/** A bar on a terminal, with texts, rate and time left; nothing in a pipe. */
const textBar = (total: number): { readonly tell: (done: number) => void; readonly stop: () => void } => {
  if (!process.stderr.isTTY) return { tell: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: 'embedding {bar} {value}/{total} texts | {rate} texts/s | {left} left',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  const began = performance.now();
  bar.start(total, 0, { rate: '?', left: '?' });
  return {
    tell: (done) => {
      const rate = (1000 * done) / (performance.now() - began);
      bar.update(done, { rate: rate.toFixed(rate < 10 ? 1 : 0), left: duration((total - done) / rate) });
    },
    stop: () => bar.stop(),
  };
};

/** All embeddings, some thousand texts at a time. */
async function* embedAll(
  embedder: TextEmbedderTask,
  texts: readonly string[],
  { batchSize }: EmbedArguments,
  signal: AbortSignal,
): AsyncGenerator<Embedded> {
  const bar = textBar(texts.length);
  try {
    for (let start = 0; start < texts.length; start += CHUNK) {
      const own = texts.slice(start, start + CHUNK);
      const onProgress = ({ done }: { readonly done: number }): void => bar.tell(start + done);
      const { data } = await embedder.encodeText(own, { batchSize, signal, onProgress });
      // Lines of the output and the bar do not share a terminal.
      if (start + CHUNK >= texts.length) bar.stop();
      yield { texts: own, rows: data as Float32Array };
    }
  } finally {
    bar.stop();
  }
}

/** Writes a file, whole or not at all; its ending says how. */
const writeEmbeddings = async (path: string, embeddings: Embeddings): Promise<void> => {
  const content = path.endsWith('.npy')
    ? E.right(npyContent(embeddings))
    : path.endsWith('.jsonl')
      ? E.right(jsonlContent(embeddings))
      : safetensorsContent(path, [embeddingsTensor(embeddings)]);
  orReject(await writeAtomically(path, orReject(content))());
};

/** `purelm embed`: an embedding of each text, as JSON lines or in a file, with a bar on a terminal. */
export const embedTexts = async (asked: EmbedArguments, signal: AbortSignal): Promise<void> => {
  const { preset, out, sequenceLength, pooling, raw } = asked;
  const texts = await textsOf(asked, signal);
  const embedder = await withBars(asked, signal, (options) =>
    TextEmbedder.fromPreset(preset, {
      ...options,
      ...(sequenceLength === undefined ? {} : { sequenceLength }),
      ...(pooling === undefined ? {} : { poolingMode: pooling }),
      ...(raw ? { normalize: false } : {}),
    }),
  );
  if (embedder.preprocessor === null)
    throw new Error(`${preset}: expected a preset with a tokenizer, since texts are to be embedded`);
  const chunks = () => embedAll(embedder, texts, asked, signal);
  if (out === undefined) for await (const chunk of chunks()) process.stdout.write(jsonLines(chunk));
  else {
    const width = embedder.backbone.model.hiddenDim;
    await writeEmbeddings(out, { count: texts.length, width, chunks });
    process.stderr.write(`purelm: ${texts.length} × ${width} float32 in ${out}\n`);
  }
};
