import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { columns, examples, type LMExamples, type Texts, textsOf, tokenizeTexts } from './causalLMPreprocessor.ts';
import { describe } from './errors.ts';
import { checkSequenceLength, startEndPacker } from './startEndPacker.ts';
import type { Tokenizer } from './tokenizer.ts';

/** What the encoder reads, and what the decoder writes or goes on from: two texts, or two lists of as many. */
export interface Seq2SeqTexts {
  /** What the encoder reads. */
  readonly encoderText: Texts;
  /** In a prompt it may be left out, which is the empty text. */
  readonly decoderText?: Texts | undefined;
}

/** Ids of both sides and their masks, each `[length]` or `[batch, length]`. */
export interface Seq2SeqTokens {
  /** int32, as long as the encoder's sequence length. */
  readonly encoderTokenIds: NDArray;
  /** bool: true at tokens of the text and at start and end values; as are all masks here. */
  readonly encoderPaddingMask: NDArray;
  /** int32, as long as the decoder's sequence length. */
  readonly decoderTokenIds: NDArray;
  /** bool, of the decoder's ids. */
  readonly decoderPaddingMask: NDArray;
}

/** What a sequence-to-sequence model learns from: `y[i]` is the id after `x.decoderTokenIds[i]`. */
export type Seq2SeqLMExamples = LMExamples<Seq2SeqTokens>;

/** The lengths of rows. */
export interface Seq2SeqLengths {
  /** Of what the encoder reads. */
  readonly encoderSequenceLength?: number | undefined;
  /** Of what the decoder writes, its prompt included. */
  readonly decoderSequenceLength?: number | undefined;
  /** Another name of `decoderSequenceLength`, which goes first. */
  readonly sequenceLength?: number | undefined;
}

/** What a sequence-to-sequence model's preprocessor is made of; each length is 1024 if not given. */
export interface Seq2SeqLMPreprocessorOptions<T extends Tokenizer> extends Seq2SeqLengths {
  readonly tokenizer: T;
}

/** Texts to what a sequence-to-sequence model trains on and generates from, and back. */
export interface Seq2SeqLMPreprocessor<T extends Tokenizer = Tokenizer> {
  /**
   * Examples for training: the decoder's text between start and end values is packed to one more than its sequence length;
   * `x` lacks the last id, `y` and `sampleWeight` the first.
   *
   * @param x - `{ encoderText, decoderText }`, two texts or two lists.
   * @param y - Passed over, as is `sampleWeight`: both are made here.
   */
  (x: Seq2SeqTexts, y?: unknown, sampleWeight?: unknown, lengths?: Seq2SeqLengths): Seq2SeqLMExamples;
  /** Prompts: the encoder's text whole, the decoder's without end value. A text or a list is the encoder's alone. */
  readonly generatePreprocess: (x: Texts | Seq2SeqTexts, lengths?: Seq2SeqLengths) => Seq2SeqTokens;
  /** Texts of the decoder's ids: places with a false mask and special ids are left out wherever they stand. */
  readonly generatePostprocess: (x: Pick<Seq2SeqTokens, 'decoderTokenIds' | 'decoderPaddingMask'>) => string | string[];
  /** The same preprocessor with other lengths. */
  readonly withLengths: (lengths: Seq2SeqLengths) => Seq2SeqLMPreprocessor<T>;
  readonly tokenizer: T;
  readonly encoderSequenceLength: number;
  readonly decoderSequenceLength: number;
  /** Another name of `decoderSequenceLength`. */
  readonly sequenceLength: number;
}

/** What stands around a family's texts. */
export interface Seq2SeqPacking {
  /** Before the decoder's text. */
  readonly decoderStart: readonly number[];
}

const isTexts = (x: unknown): x is Seq2SeqTexts => typeof x === 'object' && x !== null && !Array.isArray(x);

/**
 * A sequence-to-sequence model's preprocessor over any tokenizer.
 *
 * @param name - The constructor's name, for messages.
 * @throws {ArgumentError} If a sequence length is no integer from 1.
 * @see keras_hub.models.Seq2SeqLMPreprocessor
 */
export const seq2seqLMPreprocessor = <T extends Tokenizer>(
  name: string,
  { tokenizer, ...given }: Seq2SeqLMPreprocessorOptions<T>,
  packing: Seq2SeqPacking,
): Seq2SeqLMPreprocessor<T> => {
  const lengthsOf = (
    { encoderSequenceLength: encoder, decoderSequenceLength, sequenceLength }: Seq2SeqLengths,
    fallback: { readonly encoder: number; readonly decoder: number },
  ): { readonly encoder: number; readonly decoder: number } => ({
    encoder: checkSequenceLength(`${name}: encoderSequenceLength`, encoder ?? fallback.encoder),
    decoder: checkSequenceLength(
      `${name}: decoderSequenceLength`,
      decoderSequenceLength ?? sequenceLength ?? fallback.decoder,
    ),
  });
  const own = lengthsOf(given, { encoder: 1024, decoder: 1024 });
  const around = { endValue: tokenizer.endTokenId, padValue: tokenizer.padTokenId };
  const packEncoder = startEndPacker({ sequenceLength: own.encoder, startValue: tokenizer.startTokenId, ...around });
  const packDecoder = startEndPacker({ sequenceLength: own.decoder, startValue: packing.decoderStart, ...around });

  const ids = (what: string, x: unknown): number[] | number[][] => tokenizeTexts(name, what, tokenizer, x);

  /** Both texts, if they are of one form. */
  const bothTexts = (x: unknown, needsDecoder: boolean): { readonly encoder: Texts; readonly decoder: Texts } => {
    const both: { readonly encoderText?: unknown; readonly decoderText?: unknown } =
      needsDecoder || isTexts(x) ? ((isTexts(x) ? x : {}) as Seq2SeqTexts) : { encoderText: x };
    const { encoderText: encoder, decoderText } = both;
    if (encoder === undefined || (needsDecoder && decoderText === undefined))
      throw new ArgumentError(
        `${name}: expected { encoderText, decoderText }, got ${isTexts(x) ? `an object with ${Object.keys(x).slice(0, 5).join(', ') || 'nothing in it'}` : describe(x)}`,
      );
    const decoder = decoderText ?? (Array.isArray(encoder) ? encoder.map(() => '') : '');
    const size = (texts: unknown): string => (Array.isArray(texts) ? `a list of ${texts.length}` : describe(texts));
    if (Array.isArray(encoder) !== Array.isArray(decoder))
      throw new ArgumentError(
        `${name}: expected encoderText and decoderText to be two strings or two lists, got ${size(encoder)} and ${size(decoder)}`,
      );
    if (Array.isArray(encoder) && encoder.length !== (decoder as readonly string[]).length)
      throw new ArgumentError(
        `${name}: expected a decoderText for each encoderText, got ${size(encoder)} and ${size(decoder)}`,
      );
    return { encoder: encoder as Texts, decoder: decoder as Texts };
  };

  return Object.freeze(
    Object.assign(
      (x: Seq2SeqTexts, _y?: unknown, _sampleWeight?: unknown, options: Seq2SeqLengths = {}): Seq2SeqLMExamples => {
        const lengths = lengthsOf(options, own);
        const { encoder, decoder } = bothTexts(x, true);
        const read = packEncoder(ids('encoderText', encoder), { sequenceLength: lengths.encoder });
        // One id more than asked for, since the last has no next.
        const length = lengths.decoder;
        const written = packDecoder(ids('decoderText', decoder), { sequenceLength: length + 1 });
        return examples(
          {
            encoderTokenIds: read.tokenIds,
            encoderPaddingMask: read.paddingMask,
            decoderTokenIds: columns(written.tokenIds, 0, length),
            decoderPaddingMask: columns(written.paddingMask, 0, length),
          },
          columns(written.tokenIds, 1, length + 1),
          columns(written.paddingMask, 1, length + 1),
        );
      },
      {
        generatePreprocess: (x: Texts | Seq2SeqTexts, options: Seq2SeqLengths = {}): Seq2SeqTokens => {
          const lengths = lengthsOf(options, own);
          const { encoder, decoder } = bothTexts(x, false);
          const read = packEncoder(ids('encoderText', encoder), { sequenceLength: lengths.encoder });
          const begun = packDecoder(ids('decoderText', decoder), {
            sequenceLength: lengths.decoder,
            addEndValue: false,
          });
          return {
            encoderTokenIds: read.tokenIds,
            encoderPaddingMask: read.paddingMask,
            decoderTokenIds: begun.tokenIds,
            decoderPaddingMask: begun.paddingMask,
          };
        },
        generatePostprocess: ({
          decoderTokenIds,
          decoderPaddingMask,
        }: Pick<Seq2SeqTokens, 'decoderTokenIds' | 'decoderPaddingMask'>): string | string[] =>
          textsOf(name, ['decoderTokenIds', 'decoderPaddingMask'], tokenizer, {
            tokenIds: decoderTokenIds,
            paddingMask: decoderPaddingMask,
          }),
        withLengths: (options: Seq2SeqLengths): Seq2SeqLMPreprocessor<T> => {
          const lengths = lengthsOf(options, own);
          return seq2seqLMPreprocessor(
            name,
            { tokenizer, encoderSequenceLength: lengths.encoder, decoderSequenceLength: lengths.decoder },
            packing,
          );
        },
        tokenizer,
        encoderSequenceLength: own.encoder,
        decoderSequenceLength: own.decoder,
        sequenceLength: own.decoder,
      },
    ),
  );
};
