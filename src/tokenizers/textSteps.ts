import { trimEnd } from './cutAround.ts';
import { laterMarks } from './wordSplit.ts';

/** What is done to a text before SentencePiece sees it: what transformers' normalizers do. */
export type TextStep =
  | 'NFC'
  | 'NFD'
  | 'NFKC'
  | 'NFKD'
  | 'lowercase'
  | 'stripAccents'
  | 'spaces'
  | 'runs'
  | 'trimStart'
  | 'trimEnd'
  | { readonly replace: string; readonly by: string };

const marks = new RegExp(`(?![${laterMarks}])\\p{M}`, 'gu');

const steps: Readonly<Record<Extract<TextStep, string>, (text: string) => string>> = {
  NFC: (text) => text.normalize('NFC'),
  NFD: (text) => text.normalize('NFD'),
  NFKC: (text) => text.normalize('NFKC'),
  NFKD: (text) => text.normalize('NFKD'),
  // Character by character: a sigma at the end of a word is like any other.
  lowercase: (text) => text.replaceAll('\u03a3', '\u03c3').toLowerCase(),
  stripAccents: (text) => text.replace(marks, ''),
  // Every white space is a space; a run of it, or a control character of it, is one.
  spaces: (text) => text.replace(/\p{White_Space}/gu, ' '),
  runs: (text) => text.replace(/\p{White_Space}{2,}|[\n\r\t]/gu, ' '),
  trimStart: (text) => text.replace(/^\p{White_Space}+/u, ''),
  trimEnd,
};

/** A text after all steps in turn. */
export const applySteps = (text: string, all: readonly TextStep[]): string =>
  all.reduce(
    (done, step) => (typeof step === 'string' ? steps[step](done) : done.replaceAll(step.replace, step.by)),
    text,
  );
