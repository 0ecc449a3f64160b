import * as E from 'fp-ts/lib/Either.js';
import { nearestNames } from '../tensor/nearestNames.ts';
import { type HubProblem, refuse } from './errors.ts';
import { kaggleHandles } from './kaggleHandles.ts';

/** A model on Kaggle: `owner/model/framework/variation`, and which version of it. */
export interface KaggleModel {
  readonly kind: 'kaggle';
  /** Who published it. */
  readonly owner: string;
  /** The model: `gemma`. */
  readonly model: string;
  /** What it is for: `keras`, `transformers`. */
  readonly framework: string;
  /** The preset's id, mostly. */
  readonly variation: string;
  /** From 1; undefined: the newest. */
  readonly version: number | undefined;
}

/** A repository on the Hugging Face hub. */
export interface HubRepo {
  readonly kind: 'hub';
  /** `user/repo`, or `repo` alone where the hub has it so. */
  readonly repo: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** What a preset's name asks for: one of the built-in ids, a model on one of the hubs, or a folder. */
export type PresetUri =
  | { readonly kind: 'builtIn'; readonly id: string; readonly kaggle: KaggleModel; readonly hub: HubRepo }
  | KaggleModel
  | HubRepo
  | { readonly kind: 'folder'; readonly path: string };

const shown = (text: unknown): string => {
  const json = JSON.stringify(text) ?? String(text);
  return json.length > 120 ? `${json.slice(0, 120)}…` : json;
};

/** The forms that a preset's name has, for messages. */
export const presetForms = [
  "a built-in id like 'gpt2_base_en'",
  "a Kaggle handle like 'kaggle://keras/bert/keras/bert_base_en', with '/3' for a version",
  "a Hugging Face handle like 'hf://user/repo', with '@revision' for a branch, tag or commit",
  "a folder like './my_preset'",
].join('; ');

const kaggleForm = "'kaggle://owner/model/framework/variation' or 'kaggle://owner/model/framework/variation/version'";
const hubForm = "'hf://user/repo' or 'hf://user/repo@revision'";

/** One step of a path, on a hub or in a cache: what cannot lead anywhere else. */
const isStep = (step: string): boolean => /^[\w.-]{1,255}$/.test(step) && !/^\.+$/.test(step);

/** Whether the hub takes a name for a repository: its own rules, so that no name leads out of the cache. */
const isRepo = (repo: string): boolean => {
  const steps = repo.split('/');
  return (
    steps.length <= 2 &&
    steps.every((step) => /^\w(?:[\w.-]{0,94}\w)?$/.test(step)) &&
    !/--|\.\./.test(repo) &&
    !repo.endsWith('.git')
  );
};

/** Whether git takes a name for a branch or tag: its own rules, and nothing that leads out of `refs`. */
const isRevision = (revision: string): boolean =>
  /^[\w.+][\w.+/-]{0,254}$/.test(revision) &&
  revision.split('/').every((step) => step !== '' && !step.startsWith('.') && !step.endsWith('.lock')) &&
  !revision.includes('..');

const parseKaggle = (uri: string, handle: string): E.Either<HubProblem, KaggleModel> => {
  const steps = handle.split('/');
  const [owner = '', model = '', framework = '', variation = '', version] = steps;
  if (steps.length < 4 || steps.length > 5 || ![owner, model, framework, variation].every(isStep))
    return refuse('BadUri', shown(uri), `expected a Kaggle handle of the form ${kaggleForm}`);
  if (version !== undefined && !/^[1-9]\d{0,8}$/.test(version))
    return refuse(
      'BadUri',
      shown(uri),
      `expected a version from 1 at the end of a Kaggle handle, got ${shown(version)}`,
    );
  return E.right({
    kind: 'kaggle',
    owner,
    model,
    framework,
    variation,
    version: version === undefined ? undefined : Number(version),
  });
};

const parseHub = (uri: string, handle: string, asked: string | undefined): E.Either<HubProblem, HubRepo> => {
  const at = handle.indexOf('@');
  const repo = at < 0 ? handle : handle.slice(0, at);
  const named = at < 0 ? undefined : handle.slice(at + 1);
  if (!isRepo(repo)) return refuse('BadUri', shown(uri), `expected a Hugging Face handle of the form ${hubForm}`);
  if (named !== undefined && asked !== undefined && named !== asked)
    return refuse('BadUri', shown(uri), `expected one revision, got ${shown(named)} and the option ${shown(asked)}`);
  const revision = named ?? asked ?? 'main';
  return isRevision(revision)
    ? E.right({ kind: 'hub', repo, revision })
    : refuse('BadUri', shown(uri), `expected a branch, a tag or a commit for a revision, got ${shown(revision)}`);
};

/** What is meant where somebody pasted the address of a page. */
const fromPage = (uri: string): string => {
  const page = /^https?:\/\/(?:www\.)?(huggingface\.co|hf\.co|kaggle\.com\/models)\/([^?#]+)/i.exec(uri);
  if (page === null) return '';
  const steps = page[2]!.split('/');
  return page[1]!.startsWith('kaggle')
    ? `; is kaggle://${steps.slice(0, 5).join('/').toLowerCase()} meant?`
    : `; is hf://${steps.slice(0, 2).join('/')} meant?`;
};

/**
 * What a preset's name asks for. A name without a scheme that is no built-in id is a folder; whether it is there is for
 * `unknownPreset` to say.
 *
 * @param uri - A built-in id, `kaggle://owner/model/framework/variation[/version]`, `hf://user/repo[@revision]`, or a folder.
 * @param revision - The revision of a repository, where the name has none.
 */
export const parsePresetUri = (uri: unknown, revision?: string): E.Either<HubProblem, PresetUri> => {
  if (typeof uri !== 'string' || uri === '')
    return refuse('BadUri', 'fromPreset', `expected the id of a preset or a folder, got ${shown(uri)}: ${presetForms}`);
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase();
  const handle = scheme === undefined ? uri : uri.slice(scheme.length + 3);
  if (scheme === 'hf') return parseHub(uri, handle, revision);
  const builtIn = scheme === undefined ? kaggleHandles.get(uri) : undefined;
  if (builtIn !== undefined) {
    const hub = parseHub(uri, `keras/${uri}`, revision);
    const kaggle = parseKaggle(builtIn, builtIn.slice('kaggle://'.length));
    if (E.isLeft(hub)) return hub;
    return E.isLeft(kaggle) ? kaggle : E.right({ kind: 'builtIn', id: uri, kaggle: kaggle.right, hub: hub.right });
  }
  if (revision !== undefined)
    return refuse(
      'BadUri',
      shown(uri),
      `expected no revision (got ${shown(revision)}): only ${hubForm} and ids have one`,
    );
  if (scheme === 'kaggle') return parseKaggle(uri, handle);
  if (scheme === undefined) return E.right({ kind: 'folder', path: uri });
  return refuse(
    'BadUri',
    shown(uri),
    `expected hf:// or kaggle://, got ${scheme}://${fromPage(uri)} A preset is ${presetForms}`,
  );
};

/** The problem with a name (`uri`) that is neither an id nor a folder that is there: which forms there are, which ids come closest. */
export const unknownPreset = (uri: string): HubProblem => ({
  _tag: 'UnknownPreset',
  message:
    `${shown(uri)}: no such preset and no such folder; closest ids: ${nearestNames(uri, kaggleHandles.keys()).join(', ')}. ` +
    `A preset is ${presetForms}. purelm presets lists all ids, the presets of a class its own`,
  uri,
});

/** A name as it is written: the inverse of `parsePresetUri`, for `preset` of any kind. */
export const formatPresetUri = (preset: PresetUri): string => {
  switch (preset.kind) {
    case 'builtIn':
      return preset.id;
    case 'kaggle': {
      const { owner, model, framework, variation, version } = preset;
      const handle = `kaggle://${owner}/${model}/${framework}/${variation}`;
      return version === undefined ? handle : `${handle}/${version}`;
    }
    case 'hub':
      return `hf://${preset.repo}${preset.revision === 'main' ? '' : `@${preset.revision}`}`;
    case 'folder':
      return preset.path;
  }
};
