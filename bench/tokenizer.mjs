// Times a SentencePiece model of 256,000 pieces, from its own file and from a tokenizer.json: loading, and 100 kB of text.
// Run by itself: `node bench/tokenizer.mjs`. One JSON line a workload, in milliseconds of the clock and of the processor.
import { GemmaTokenizer } from '../dist/index.js';
import { cpuMs, load, median, peakMb } from './figures.mjs';

const size = 256_000;
const reps = Number(process.env.BENCH_REPS ?? 5);

// Strings of up to four letters of '\u2581' and a to y, shortest first: texts are cut into many of the longest.
const letters = ['\u2581', ...'abcdefghijklmnopqrstuvwxy'];
const marks = ['<pad>', '<eos>', '<bos>', '<unk>'];
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

const strings = (count) => {
  const all = [...letters];
  for (let at = 0; all.length < count; at++)
    for (const letter of letters) if (all.length < count) all.push(all[at] + letter);
  return all;
};

const pieces = [...marks, ...bytes, ...strings(size - marks.length - bytes.length)];

/** What transformers would write: each way to split a string into two is a merge. */
const tokenizerJson = () => {
  const known = new Set(pieces);
  const merges = pieces
    .slice(marks.length + bytes.length)
    .flatMap((piece) =>
      Array.from({ length: piece.length - 1 }, (_, i) => [piece.slice(0, i + 1), piece.slice(i + 1)]).filter(
        ([left, right]) => known.has(left) && known.has(right),
      ),
    );
  return JSON.stringify({
    added_tokens: marks.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges,
    },
  });
};

const timed = (what, run) => {
  const times = Array.from({ length: reps }, () => {
    const [start, cpu] = [performance.now(), cpuMs()];
    run();
    return [performance.now() - start, cpuMs() - cpu];
  });
  const figure = (column) => Math.round(median(times.map((time) => time[column])));
  console.log(
    JSON.stringify({
      workload: what,
      ms: figure(0),
      cpu_ms: figure(1),
      runs: reps,
      peak_rss_mb: peakMb(),
      load1: load(),
    }),
  );
};

const json = tokenizerJson();
const made = GemmaTokenizer.fromTokenizerJson(json);
if (made._tag === 'Left') throw made.left;
const tokenizer = made.right;
const { proto } = tokenizer;

let seed = 1;
const text = Array.from({ length: 100_000 }, () => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return letters[(seed >>> 8) % letters.length].replace('\u2581', ' ');
}).join('');
const ids = tokenizer.tokenize(text);
if (tokenizer.detokenize(ids) !== text) throw new Error('bench: the text did not come back');

timed(`load_spm (${(proto.length / 1e6).toFixed(1)} MB)`, () => GemmaTokenizer({ proto }));
timed(`load_tokenizer_json (${(json.length / 1e6).toFixed(1)} MB)`, () => GemmaTokenizer.fromTokenizerJson(json));
timed(`encode_100kB (${ids.length} tokens)`, () => tokenizer.tokenize(text));
timed('decode_100kB', () => tokenizer.detokenize(ids));
