import { defaultWorkloads, tunedWorkloads } from './workloads.ts';

/** The text of `purelm help`. */
export const usage = `purelm: language models on WebGPU

  purelm generate [options]     write on from prompts
  purelm fit [options]          train on texts
  purelm score [options]        how likely texts are, token by token
  purelm embed PRESET [TEXT …]  a point in space for each text
  purelm inspect PRESET         what a preset is: sizes, parameters, tokenizer; no weights are read
  purelm bench [PRESET]         how fast a preset starts, reads and writes here
  purelm tune [PRESET]          measure here which kernels are the fastest for a preset, and remember that
  purelm presets [FILTER]       the built-in presets, and which of them are here
  purelm presets pull ID        fetch one, or hf://user/repo, and print its folder
  purelm presets push FOLDER hf://user/repo   upload one; HF_TOKEN says who; --private, --message TEXT
  purelm doctor [--json]        which adapter, its limits and features, and why this one
  purelm setup                  look for an adapter again
  purelm help | version

Options of generate, fit, score, bench and tune; all but --preset also of embed:
  --preset NAME           gpt2_tiny_en, which ships with the package (default), another built-in id, which is
                          fetched if it is not here, hf://user/repo, kaggle://owner/model/keras/variation, or a folder
  --device NAME           webgpu, reference or auto (default auto)
  --revision REV          a branch, tag or commit of hf://user/repo; also for presets pull
  --json                  JSON on standard output: a line for each prompt or text; one object for fit, bench and tune

Options of generate:
  --prompt TEXT           may be given more than once; without it, every line of standard input is a prompt
  --max-length N          tokens of prompt and answer together (default: the preset's)
  --sampler NAME          greedy, top_k, top_p, random, beam or contrastive (default: the one that has the options
                          given, else top_k)
  --temperature T         divides the logits (default 1)
  --top-k K               draw from the K likeliest (default 5), or search contrastively among them
  --top-p P               draw from the likeliest that make up P
  --min-p P               draw from those at least P times as likely as the likeliest
  --num-beams N           keep the N likeliest beginnings (default 5)
  --all-beams             show all beams with their scores, not the best alone
  --alpha A               how much likeness to what came before counts, from 0 to 1 (default 0.6)
  --repetition-penalty R  make what has come less likely (above 1)
  --draft NAME            a smaller model of the same vocabulary that guesses ahead: the same text in fewer passes
  --speculative-tokens N  how many tokens it guesses at a time (default 5)
  --seed N                one seed, one text (default: a new one, which is printed)

Options of fit:
  --text FILE             examples, one a line; may be given more than once; - is standard input
  --separator TEXT        what lies between two examples (default \\n; \\n\\n for paragraphs)
  --epochs N              times through the examples (default 1)
  --batch-size N          examples of a step (default 32)
  --optimizer NAME        sgd, rmsprop, adam, adamw, adagrad, adamax, nadam, adafactor or lion (default adam)
  --learning-rate X       default: 2e-5, or that of the optimizer named
  --sequence-length N     tokens of an example; more are cut (default: the preset's)
  --validation-split X    the share of the examples, from the end, to judge by (default 0)
  --seed N                of the order, of dropout and of LoRA's factors (default 0)
  --lora-rank R           train factors of rank R beside the kernels of query and value, instead of all weights
  --checkpoint FOLDER     write what the run can go on from, after each epoch and when it is interrupted
  --resume FOLDER         go on from a checkpoint, with the same texts and options
  --log FILE.csv          a line for each epoch
  --curve FILE.svg        draw the losses
  --output FOLDER         write the trained preset, with LoRA merged, and lora.safetensors in it

Options of score:
  --text TEXT             may be given more than once; without it, every line of standard input is a text
  --top K                 show the K likeliest tokens at each place

Options of bench:
  --only LIST             of start, prefillN (reading N tokens) and decodeN (writing 32 around place N), with commas;
                          decodeNxR and prefillNxR do so in R texts at once (default ${defaultWorkloads})
  --dtype NAME            store weights as float32, float16 or bfloat16 (default: as they were saved)
  --quantize MODE         int8 or int4: hold kernels in so many bits
  --reps N                how often each is timed; the middle one counts (default 3)
  --profile               time every launch on the device: by kernel, as a table, beside what the adapter can do
  --svg FILE.svg          the same as a chart

Options of tune: --only (default ${tunedWorkloads}), --dtype and --quantize as for bench, and
  --budget MS             for the kernels of a class of shapes (default 2000)

Options of embed (PRESET: as --preset, of an encoder or of sentence-transformers):
  --file FILE             texts, one a line; may be given more than once; - is standard input, which is read too where
                          there is neither a text nor a file
  --out FILE              .npy, .safetensors or .jsonl; without it, JSON lines on standard output
  --batch-size N          texts that go through the model at once (default 32)
  --sequence-length N     tokens of a text; more are cut (default: the preset's)
  --pooling NAME          mean, cls or max (default: the preset's, else mean)
  --raw                   leave embeddings as long as they are (default: of length 1, unless the preset says otherwise)

Options of inspect:
  --json                  all of it as one object

Text goes to standard output, everything else to standard error.
Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
`;
