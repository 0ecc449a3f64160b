import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import { resolve } from '../hub/index.ts';
import type { PresetLayout } from '../models/weightEntry.ts';
import { familyOf } from '../tasks/bases.ts';
import { openPresetFolder, orReject, presetFolder, shipped } from '../tasks/presets.ts';
import { type PresetWeights, readPresetWeights } from '../tasks/presetWeights.ts';
import { count } from '../tensor/shape.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { openPreset, type Preset, readSentenceModules } from '../weights/index.ts';
import type { InspectArguments } from './commands.ts';
import { downloadBar } from './downloadBar.ts';
import { formatPreset } from './inspectText.ts';

/** A special token. */
export interface SpecialToken {
  readonly id: number;
  readonly token: string;
  /** What it is for: start, end, pad or mask; empty for others. */
  readonly uses: readonly string[];
}

/** What `purelm inspect` tells of a preset. */
export interface PresetFacts extends PresetWeights {
  readonly preset: string;
  readonly folder: string;
  /** KerasHub's name of the backbone's class. */
  readonly backbone: string;
  readonly layout: PresetLayout;
  /** The task that it was saved as, by the name that its library gives it. */
  readonly task: string | undefined;
  /** The backbone's sizes. */
  readonly config: object;
  /** Steps behind the encoder, in a folder of sentence-transformers. */
  readonly embedder: { readonly poolingMode: string; readonly normalize: boolean } | undefined;
  readonly tokenizer:
    | {
        readonly name: string;
        readonly vocabularySize: number;
        readonly specialTokens: readonly SpecialToken[];
      }
    | undefined;
  /** Why there is no tokenizer, where there are files of one. */
  readonly tokenizerProblem: string | undefined;
  /** Files with their sizes. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly parameterCount: number;
  readonly parameterBytes: number;
}

/** All files of a folder, but what hides. */
const filesOf = async (folder: string): Promise<PresetFacts['files']> => {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('.'));
  const sized = await Promise.all(
    paths.map(async (name) => ({ name: name.replaceAll('\\', '/'), bytes: (await stat(join(folder, name))).size })),
  );
  return sized.sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** The task that a folder was saved as. */
const taskOf = ({ layout, taskClass, config }: Preset): string | undefined => {
  const { architectures } = config;
  if (layout === 'keras') return O.toUndefined(taskClass);
  return Array.isArray(architectures) && typeof architectures[0] === 'string' ? architectures[0] : undefined;
};

const tokenizerFacts = (name: string, tokenizer: Tokenizer): NonNullable<PresetFacts['tokenizer']> => {
  const uses = (['startTokenId', 'endTokenId', 'padTokenId', 'maskTokenId'] as const).map(
    (use) => [use.replace('TokenId', ''), (tokenizer as Tokenizer & { readonly maskTokenId?: number })[use]] as const,
  );
  const ids = [...new Set([...tokenizer.specialTokenIds, ...uses.flatMap(([, id]) => (id === undefined ? [] : [id]))])];
  return {
    name,
    vocabularySize: tokenizer.vocabularySize,
    specialTokens: ids
      .sort((a, b) => a - b)
      .map((id) => ({
        id,
        token: tokenizer.idToToken(id),
        uses: uses.filter(([, own]) => own === id).map(([use]) => use),
      })),
  };
};

/** The folder of a preset with its weights, if they are here; else with its small files, which are fetched. */
const folderOf = async ({ preset, revision }: InspectArguments, signal: AbortSignal): Promise<string> => {
  const cached = shipped.has(preset)
    ? undefined
    : await resolve(preset, { offline: true, ...(revision === undefined ? {} : { revision }) })();
  if (cached !== undefined && E.isRight(cached) && cached.right.kind !== 'folder') return cached.right.folder;
  const { onDownload, stop } = downloadBar();
  try {
    return await presetFolder(preset, {
      loadWeights: false,
      signal,
      ...(onDownload === undefined ? {} : { onDownload }),
      ...(revision === undefined ? {} : { revision }),
    });
  } finally {
    stop();
  }
};

/** What there is to tell of a preset. */
export const presetFacts = async (asked: InspectArguments, signal: AbortSignal): Promise<PresetFacts> => {
  const folder = await folderOf(asked, signal);
  const modules = orReject(await readSentenceModules(folder)());
  const encoder = O.isSome(modules) ? modules.value.encoder : folder;
  const preset = encoder === folder ? await openPresetFolder(folder) : orReject(await openPreset(encoder)());
  const family = familyOf(preset.family);
  const { config, model } = family.openModel(preset);
  const tokenizer = await family.openTokenizer(preset).then(
    (own) => E.right(tokenizerFacts(family.layout.tokenizer.className, own)),
    (cause: Error & { readonly _tag?: string }) => E.left(cause),
  );
  const facts = await readPresetWeights(preset, model.weights);
  return {
    preset: asked.preset,
    folder,
    backbone: model.name,
    layout: preset.layout,
    task: taskOf(preset),
    config,
    embedder: O.isSome(modules)
      ? { poolingMode: modules.value.poolingMode, normalize: modules.value.normalize }
      : undefined,
    tokenizer: E.isRight(tokenizer) ? tokenizer.right : undefined,
    tokenizerProblem:
      E.isLeft(tokenizer) && tokenizer.left._tag !== 'InputOutput' && tokenizer.left._tag !== 'MissingFile'
        ? tokenizer.left.message
        : undefined,
    files: await filesOf(folder),
    ...facts,
    parameterCount: facts.weights.reduce((sum, { shape }) => sum + count(shape), 0),
    parameterBytes: facts.weights.reduce((sum, { bytes }) => sum + bytes, 0),
  };
};

/** `purelm inspect`: what a preset is. Of its weights only the headers are read. */
export const inspectPreset = async (asked: InspectArguments, signal: AbortSignal): Promise<void> => {
  const facts = await presetFacts(asked, signal);
  process.stdout.write(asked.json ? `${JSON.stringify(facts, null, 2)}\n` : formatPreset(facts));
};
