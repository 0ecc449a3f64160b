import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { type MaskSentencePieceTokenizer, sentencePieceConstructor, undoPlain } from './maskSentencePiece.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { type SentencePieceTokenizer, sentencePieceTokenizer } from './sentencePieceTokenizer.ts';
import type { TextStep } from './textSteps.ts';

/** The constructor of a family whose special pieces are ALBERT's. */
export const albertLikeTokenizer = (name: string) =>
  sentencePieceConstructor({
    name,
    make: (options) =>
      pipe(
        sentencePieceTokenizer(
          { name, startToken: '[CLS]', endToken: '[SEP]', padToken: '<pad>', otherTokens: ['[MASK]'] },
          options,
        ),
        E.map((tokenizer) => {
          // Not spread: proto is read from the model when it is asked for.
          const own = { maskToken: '[MASK]', maskTokenId: tokenizer.tokenToId('[MASK]') };
          return Object.defineProperties(own, Object.getOwnPropertyDescriptors(tokenizer)) as SentencePieceTokenizer &
            MaskTokenizer;
        }),
      ),
    undo: undoPlain(['[CLS]', '[SEP]', '<pad>', '[MASK]']),
  });

/**
 * What transformers does to a text for ALBERT and FNet before SentencePiece sees it; KerasHub does nothing.
 *
 * @param settings - `lowercase` and `keepAccents`, as tokenizer_config.json has them; default `true` and `false`.
 */
export const albertTextSteps = ({
  lowercase = true,
  keepAccents = false,
}: {
  readonly lowercase?: boolean | undefined;
  readonly keepAccents?: boolean | undefined;
} = {}): readonly TextStep[] => [
  { replace: '``', by: '"' },
  { replace: "''", by: '"' },
  ...(keepAccents ? [] : (['NFKD', 'stripAccents'] as const)),
  ...(lowercase ? (['lowercase'] as const) : []),
];

/** ALBERT's tokenizer: SentencePiece with `[CLS]`, `[SEP]`, `<pad>` and `[MASK]`. */
export type AlbertTokenizer = MaskSentencePieceTokenizer;

/**
 * An ALBERT tokenizer.
 *
 * Texts are segmented by the SentencePiece model alone, which lowers them where it was trained so; `textSteps:
 * albertTextSteps()` prepares them as transformers does. `[CLS]` in a text is text, unless the model has it as the user's
 * symbol, or tokenizer.json as an added token.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or lacks a special token.
 * @see Lan et al. 2019; keras_hub.models.AlbertTokenizer
 * @example
 * const tokenizer = AlbertTokenizer({ proto: await readFile('assets/tokenizer/vocabulary.spm') });
 * tokenizer.detokenize(tokenizer.tokenize('the quick brown fox')); // 'the quick brown fox'
 */
export const AlbertTokenizer = albertLikeTokenizer('AlbertTokenizer');
