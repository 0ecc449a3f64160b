import { builtInPresets } from '../models/presets.ts';

/** Presets of KerasHub 0.32.0 by the Kaggle model that holds them: `id/version`, as its registry has them. */
const registered: Readonly<Record<string, string>> = {
  'keras/gpt2': 'gpt2_base_en/3 gpt2_medium_en/3 gpt2_large_en/3 gpt2_extra_large_en/3 gpt2_base_en_cnn_dailymail/3',
  'keras/falcon': 'falcon_refinedweb_1b_en/2',
  'keras/gemma':
    'gemma_2b_en/3 gemma_instruct_2b_en/3 gemma_1.1_instruct_2b_en/4 gemma_7b_en/4 gemma_instruct_7b_en/4 ' +
    'gemma_1.1_instruct_7b_en/5',
  'keras/codegemma':
    'code_gemma_1.1_2b_en/2 code_gemma_2b_en/2 code_gemma_7b_en/3 code_gemma_instruct_7b_en/3 ' +
    'code_gemma_1.1_instruct_7b_en/3',
  'keras/gemma2':
    'gemma2_2b_en/2 gemma2_instruct_2b_en/2 gemma2_9b_en/4 gemma2_instruct_9b_en/4 gemma2_27b_en/3 ' +
    'gemma2_instruct_27b_en/3',
  'google/shieldgemma': 'shieldgemma_2b_en/2 shieldgemma_9b_en/2 shieldgemma_27b_en/2',
  'keras/bert':
    'bert_tiny_en_uncased/3 bert_small_en_uncased/3 bert_medium_en_uncased/3 bert_base_zh/3 bert_base_en/3 ' +
    'bert_base_en_uncased/3 bert_base_multi/3 bert_large_en/3 bert_large_en_uncased/3 ' +
    'bert_tiny_en_uncased_sst2/5',
  'keras/albert':
    'albert_base_en_uncased/5 albert_large_en_uncased/3 albert_extra_large_en_uncased/3 ' +
    'albert_extra_extra_large_en_uncased/3',
  'keras/deberta_v3':
    'deberta_v3_extra_small_en/3 deberta_v3_small_en/3 deberta_v3_base_en/3 deberta_v3_base_multi/3 ' +
    'deberta_v3_large_en/3',
  'keras/distil_bert': 'distil_bert_base_en/3 distil_bert_base_en_uncased/3 distil_bert_base_multi/3',
  'keras/f_net': 'f_net_base_en/3 f_net_large_en/3',
  'keras/roberta': 'roberta_base_en/3 roberta_large_en/3',
  'keras/xlm_roberta': 'xlm_roberta_base_multi/3 xlm_roberta_large_multi/3',
  'keras/bart': 'bart_base_en/3',
};

const handles = Object.entries(registered).flatMap(([model, presets]) =>
  presets.split(' ').map((preset) => [preset.split('/')[0]!, `kaggle://${model}/keras/${preset}`] as const),
);

/** The Kaggle handle of every built-in id; `hf://keras/<id>` mirrors each. Ids of families that are not in yet are among them. */
export const kaggleHandles: ReadonlyMap<string, string> = new Map([
  ...handles,
  ...[...builtInPresets].map(([id, { kaggleHandle }]) => [id, kaggleHandle] as const),
]);
