/** Token ids of one text. */
export type TokenIds = readonly number[] | Int32Array;

/** Text as it is decided, id by id. */
export interface TextStream {
  /** The text that this id decides, after those before it: may be empty, never ends inside a character. */
  readonly push: (id: number) => string;
  /** What is still held back: U+FFFD for bytes that never became a character. The stream is new after that. */
  readonly end: () => string;
}

/** Text to ids and back. */
export interface Tokenizer {
  /** Ids of a text, or a list of ids for each of a list of texts. */
  readonly tokenize: { (text: string): number[]; (texts: readonly string[]): number[][] };
  /**
   * The text of ids, or a text for each of a list of ids. Ids that have no token are passed over by byte-level BPE and
   * refused by SentencePiece.
   */
  readonly detokenize: { (ids: TokenIds): string; (ids: readonly TokenIds[]): string[] };
  /** A decoder for ids that come one by one; its pieces, joined, are `detokenize` of all ids. */
  readonly textStream: () => TextStream;
  /** How many tokens have an id. */
  readonly vocabularySize: number;
  /** The token of an id. @throws {ArgumentError} If it has none. */
  readonly idToToken: (id: number) => string;
  /** The id of a token. @throws {ArgumentError} If it has none. */
  readonly tokenToId: (token: string) => number;
  /** The id that begins a text. */
  readonly startTokenId: number;
  /** The id that ends a text. */
  readonly endTokenId: number;
  /** The id that fills up a row. */
  readonly padTokenId: number;
  /** Ids that are no text: `generatePostprocess` leaves them out. */
  readonly specialTokenIds: readonly number[];
}
