"""Training arithmetic of Keras: optimizers, learning-rate schedules, losses, and metrics, on small fixed inputs.

training/optimizers.json: parameters after every step. All cases start from the same parameters and are given the same
gradients, among them single zeros, a parameter's gradient of zeros (step 1), and zeros throughout (step 3). `options`
are Keras's. `setLearningRate` says which rate was set before which step. `final` is what `finalize_variable_values`
leaves, where it changes something.
training/schedules.json: rates at steps.
training/losses.json: losses of elements and their reductions, with and without weights.
training/metrics.json: results and states after each of three batches, with and without weights.
"""

import common
from common import bools, floats, ints, to_numpy, write

import keras
import numpy as np
import torch
from keras import losses, metrics, optimizers
from keras_hub.metrics import Perplexity

SHAPES = {"one": (1,), "seven": (7,), "matrix": (3, 5), "cube": (2, 2, 3)}
STEPS = 8
DRAW = np.random.default_rng(20)


def normal(shape, scale=1.0):
    return (DRAW.standard_normal(shape) * scale).astype("float32")


PARAMS = {name: normal(shape) for name, shape in SHAPES.items()}
GRADS = [{name: normal(shape, 0.5 + 0.5 * step) for name, shape in SHAPES.items()} for step in range(STEPS)]
for step in range(STEPS):
    GRADS[step]["seven"][step % 7] = 0
GRADS[1]["matrix"][:] = 0
for gradient in GRADS[3].values():
    gradient[:] = 0
SCHEDULE = {"class": "ExponentialDecay", "initial_learning_rate": 0.2, "decay_steps": 2, "decay_rate": 0.5}


def schedule(options):
    options = dict(options)
    return getattr(optimizers.schedules, options.pop("class"))(**options)


def flat(values):
    """All parameters in the order of SHAPES as one list of floats."""
    return floats(np.concatenate([to_numpy(values[name]).ravel() for name in SHAPES]))


def optimizer_cases():
    common_options = [
        {"weight_decay": 0.1}, {"clipnorm": 0.7}, {"clipvalue": 0.3}, {"global_clipnorm": 1.5},
        {"use_ema": True, "ema_momentum": 0.8}, {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
        {"loss_scale_factor": 8.0}, {"gradient_accumulation_steps": 2}, {"gradient_accumulation_steps": 3},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 3, "weight_decay": 0.1, "global_clipnorm": 1.5},
        {"learning_rate": SCHEDULE}, {"learning_rate": SCHEDULE, "gradient_accumulation_steps": 2},
    ]
    yield "SGD", {}
    for options in common_options:
        yield "SGD", {"learning_rate": 0.1, **options}
    yield "SGD", {"learning_rate": 0.1, "momentum": 0.9}
    yield "SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}
    yield "SGD", {"learning_rate": 0.1, "momentum": 0.9, "gradient_accumulation_steps": 2}
    rates = {"learning_rate": 0.1}
    own = {
        "RMSprop": [{}, {**rates, "centered": True}, {**rates, "momentum": 0.8, "rho": 0.7},
                    {**rates, "centered": True, "momentum": 0.8, "epsilon": 1e-3}],
        "Adagrad": [{}, {**rates, "initial_accumulator_value": 0.5, "epsilon": 1e-3}],
        "Adam": [{}, rates, {**rates, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}, {**rates, "amsgrad": True},
                 {**rates, "beta_1": 0.0, "beta_2": 0.5}, {**rates, "weight_decay": 0.1, "clipnorm": 0.7},
                 {**rates, "gradient_accumulation_steps": 3, "amsgrad": True}, {"learning_rate": SCHEDULE},
                 {**rates, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}],
        "AdamW": [{}, {**rates, "weight_decay": 0.2, "amsgrad": True}],
        "Adamax": [{}, {**rates, "beta_1": 0.7, "beta_2": 0.8}],
        "Nadam": [{}, {**rates, "beta_1": 0.8, "beta_2": 0.9}, {**rates, "gradient_accumulation_steps": 2}],
        "Adafactor": [{}, {**rates, "clip_threshold": 0.5, "beta_2_decay": -0.6},
                      {"learning_rate": 2.0, "relative_step": False, "epsilon_2": 0.1},
                      {**rates, "gradient_accumulation_steps": 2}, {"learning_rate": SCHEDULE}],
        "Lion": [{}, {**rates, "beta_1": 0.5, "beta_2": 0.6}],
    }
    for name, sets in own.items():
        yield from ((name, options) for options in sets)


def run_optimizer(name, options, exclude=None, rates=None):
    options = dict(options)
    kept = {"optimizer": name, "options": dict(options)}
    if isinstance(options.get("learning_rate"), dict):
        options["learning_rate"] = schedule(options["learning_rate"])
    optimizer = getattr(optimizers, name)(**options)
    variables = {key: keras.Variable(value, name=key) for key, value in PARAMS.items()}
    optimizer.build(list(variables.values()))
    if exclude is not None:
        optimizer.built = optimizer._built = False  # exclusions may only be named before
        optimizer.exclude_from_weight_decay(var_names=exclude)
        optimizer.built = optimizer._built = True
        kept["excludeFromWeightDecay"] = exclude
    if rates is not None:
        kept["setLearningRate"] = rates
    kept["steps"] = []
    for step, gradients in enumerate(GRADS):
        if rates is not None and str(step) in rates:
            optimizer.learning_rate = rates[str(step)]
        optimizer.apply([torch.tensor(gradients[key]) for key in SHAPES], list(variables.values()))
        kept["steps"].append(flat(variables))
    assert int(optimizer._iterations.numpy()) == STEPS
    optimizer.finalize_variable_values(list(variables.values()))
    if options.get("use_ema"):
        kept["final"] = flat(variables)
    return kept


def record_optimizers():
    cases = [run_optimizer(name, options) for name, options in optimizer_cases()]
    cases.append(run_optimizer("AdamW", {"learning_rate": 0.1, "weight_decay": 0.5}, exclude=["one", "mat"]))
    cases.append(run_optimizer("Adam", {"learning_rate": 0.1}, rates={"2": 0.01, "5": 0.5}))
    write("training/optimizers", {
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "params": flat(PARAMS), "grads": [flat(gradient) for gradient in GRADS],
        "defaults": {name: optimizers.get(name).get_config() for name in
                     ("SGD", "RMSprop", "Adagrad", "Adam", "AdamW", "Adamax", "Nadam", "Adafactor", "Lion")},
        "cases": cases,
    })


def record_schedules():
    rate = {"initial_learning_rate": 0.3}
    cases = [
        {"class": "ExponentialDecay", **rate, "decay_steps": 10, "decay_rate": 0.96},
        {"class": "ExponentialDecay", **rate, "decay_steps": 3, "decay_rate": 0.5, "staircase": True},
        {"class": "ExponentialDecay", **rate, "decay_steps": 2.5, "decay_rate": 0.9, "staircase": True},
        {"class": "PiecewiseConstantDecay", "boundaries": [3, 10, 100], "values": [0.1, 0.05, 0.01, 0.001]},
        {"class": "PiecewiseConstantDecay", "boundaries": [0], "values": [1.0, 2.0]},
        {"class": "PolynomialDecay", **rate, "decay_steps": 20},
        {"class": "PolynomialDecay", **rate, "decay_steps": 20, "end_learning_rate": 0.01, "power": 2.0},
        {"class": "PolynomialDecay", **rate, "decay_steps": 7, "end_learning_rate": 0.02, "power": 0.5},
        {"class": "PolynomialDecay", **rate, "decay_steps": 7, "end_learning_rate": 0.02, "cycle": True},
        {"class": "PolynomialDecay", **rate, "decay_steps": 5, "end_learning_rate": 0.02, "power": 3.0, "cycle": True},
        {"class": "InverseTimeDecay", **rate, "decay_steps": 4, "decay_rate": 0.5},
        {"class": "InverseTimeDecay", **rate, "decay_steps": 4, "decay_rate": 0.5, "staircase": True},
        {"class": "CosineDecay", **rate, "decay_steps": 30},
        {"class": "CosineDecay", **rate, "decay_steps": 30, "alpha": 0.1},
        {"class": "CosineDecay", "initial_learning_rate": 0.0, "decay_steps": 30, "warmup_target": 0.4, "warmup_steps": 10},
        {"class": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 9, "alpha": 0.2, "warmup_target": 0.4,
         "warmup_steps": 3},
        {"class": "CosineDecayRestarts", **rate, "first_decay_steps": 7},
        {"class": "CosineDecayRestarts", **rate, "first_decay_steps": 5, "t_mul": 1.0, "m_mul": 0.7},
        # No wave but the first ends at a step: there Keras's float32 logarithm may fall short of the next wave.
        {"class": "CosineDecayRestarts", **rate, "first_decay_steps": 7, "t_mul": 1.5, "m_mul": 0.9, "alpha": 0.1},
    ]
    steps = [*range(0, 26), 29, 30, 31, 40, 99, 100, 101, 1000]

    def rates(options):
        of = schedule(options)
        return [float(of(torch.tensor(step, dtype=torch.int32))) for step in steps]

    write("training/schedules", {
        "steps": steps,
        "cases": [{"options": options, "rates": floats(np.array(rates(options)))} for options in cases],
    })


REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight")


def run_loss(name, options, y_true, y_pred, weights):
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred, dtype="float32")
    kept = {
        "loss": name, "options": options,
        "yTrue": {"shape": list(y_true.shape), "int32": y_true.ravel().tolist()} if y_true.dtype.kind == "i" else floats(y_true),
        "yPred": floats(y_pred), "weighted": [],
    }

    def value(reduction, weight):
        result = getattr(losses, name)(**options, reduction=reduction)(y_true, y_pred, sample_weight=weight)
        return float(result)

    kept["elements"] = floats(to_numpy(getattr(losses, name)(**options, reduction="none")(y_true, y_pred)))
    for weight in [None, *weights]:
        kept["weighted"].append({
            "sampleWeight": None if weight is None else floats(weight),
            "values": {reduction: value(reduction, weight) for reduction in REDUCTIONS},
        })
    return kept


def record_losses():
    batch, length, classes = 3, 5, 7
    logits = normal((batch, length, classes), 2.0)
    probabilities = to_numpy(torch.softmax(torch.tensor(logits), -1))
    targets = DRAW.integers(0, classes, (batch, length))
    targets[0, 0] = targets[1, 3] = targets[2, 4] = 2
    smooth = to_numpy(torch.softmax(torch.tensor(normal((batch, length, classes), 2.0)), -1))
    mask = (np.arange(length) < np.array([[5], [2], [3]])).astype("float32")
    weights = [mask, np.abs(normal((batch, length))), np.zeros((batch, length), "float32")]
    labels = (DRAW.random((4, 6)) < 0.4).astype("float32")
    real, guess = normal((4, 6)), normal((4, 6))
    rows = [np.abs(normal((4,))), np.array([1, 0, 0, 1], "float32"), np.abs(normal((4, 1)))]
    confident = probabilities.copy()
    confident[0, 0] = np.eye(classes)[targets[0, 0]]  # certain, and right
    confident[1, 1] = np.eye(classes)[(targets[1, 1] + 1) % classes]  # certain, and wrong
    cases = [
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True}, targets, logits, weights),
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True}, targets[..., None], logits, weights[:1]),
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True}, targets[0], logits[0], [mask[1]]),
        run_loss("SparseCategoricalCrossentropy", {}, targets, confident, weights[:2]),
        run_loss("SparseCategoricalCrossentropy", {}, targets, 3 * probabilities, weights[:1]),
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, targets, logits, weights),
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, targets - 3 * (targets == 2),
                 logits, weights[:1]),
        run_loss("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, np.full_like(targets, 2), logits, []),
        run_loss("CategoricalCrossentropy", {"from_logits": True}, smooth, logits, weights[:2]),
        run_loss("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, smooth, logits, weights[:1]),
        run_loss("CategoricalCrossentropy", {"label_smoothing": 0.2}, np.eye(classes, dtype="float32")[targets], confident, weights[:1]),
        run_loss("BinaryCrossentropy", {"from_logits": True}, labels, 4 * real, rows),
        run_loss("BinaryCrossentropy", {"label_smoothing": 0.1}, labels, to_numpy(torch.sigmoid(torch.tensor(real))), rows[:1]),
        run_loss("BinaryCrossentropy", {}, labels, np.clip(np.round(real), 0, 1) * 0.5 + 0.25, rows[:1]),
    ]
    for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "LogCosh"):
        cases.append(run_loss(name, {}, real, guess, rows))
    cases.append(run_loss("MeanSquaredError", {}, real[:, :1], guess[:, :1], rows))
    cases.append(run_loss("Huber", {}, real, guess, rows[:1]))
    cases.append(run_loss("Huber", {"delta": 0.4}, real, guess, []))
    for name in ("MeanSquaredLogarithmicError", "Poisson"):
        cases.append(run_loss(name, {}, np.abs(real), np.abs(guess), rows[:1]))
    cases.append(run_loss("KLDivergence", {}, smooth, probabilities, weights[:1]))
    write("training/losses", {"cases": cases})


def run_metric(make, name, options, batches):
    """Results without weights and with them. A batch: y_true, y_pred, and weights."""
    kept = {"metric": name, "options": options, "runs": []}
    for weighted in (False, True):
        metric = make(**options)
        run = {"weighted": weighted, "name": metric.name, "states": [], "results": []}
        for batch in batches:
            metric.update_state(*batch[:-1], sample_weight=batch[-1] if weighted else None)
            run["states"].append([float(variable.numpy()) for variable in metric.variables])
            run["results"].append(float(metric.result()))
        kept["runs"].append(run)
    return kept


def record_metrics():
    shapes, classes = [(2, 5), (3, 5), (1, 5)], 7
    tokens = []
    for shape in shapes:
        targets = DRAW.integers(0, classes, shape).astype("int32")
        logits = normal((*shape, classes))
        logits[0, 0, targets[0, 0]] = logits[0, 0].max() + 1
        logits[0, 1] = np.round(logits[0, 1])  # with equal ones among the largest
        tokens.append((targets, logits, np.abs(normal(shape)) * (DRAW.random(shape) < 0.7)))
    masked = [(y, p, (w > 0).astype("float32")) for y, p, w in tokens]
    rowwise = [(y, p, np.abs(normal(y.shape[:1]))) for y, p, _ in tokens]
    flat_tokens = [(y[:, 0], p[:, 0], w[:, 0]) for y, p, w in tokens]
    columns = [(y[:, :1], p[:, 0], w[:, 0]) for y, p, w in tokens]
    onehot = [(np.eye(classes, dtype="float32")[y], p, w) for y, p, w in tokens]
    probabilities = [(y, to_numpy(torch.softmax(torch.tensor(p), -1)), w) for y, p, w in tokens]
    binary = [((y > 3).astype("float32"), p[..., 0], w[:, 0]) for y, p, w in tokens]
    values = [(normal((4,)), np.abs(normal((4,)))), (normal((2, 3)), np.abs(normal((2,)))), (normal(()), np.float32(3))]

    def batches(of):
        return [
            [{"shape": list(np.shape(x)), "int32": np.asarray(x).ravel().tolist()} if np.asarray(x).dtype.kind == "i" else floats(x)
             for x in batch] for batch in of
        ]

    inputs = {"tokens": tokens, "masked": masked, "rowwise": rowwise, "flat": flat_tokens, "columns": columns,
              "onehot": onehot, "probabilities": probabilities, "binary": binary, "values": values}
    cases = []

    def case(make, name, options, of):
        cases.append({"input": of, **run_metric(make, name, options, inputs[of])})

    for of in ("tokens", "masked", "rowwise", "flat", "columns"):
        case(metrics.SparseCategoricalAccuracy, "SparseCategoricalAccuracy", {}, of)
    for k in (1, 2, 5):
        case(metrics.SparseTopKCategoricalAccuracy, "SparseTopKCategoricalAccuracy", {"k": k}, "tokens")
    case(metrics.SparseTopKCategoricalAccuracy, "SparseTopKCategoricalAccuracy", {"k": 2}, "flat")
    case(metrics.CategoricalAccuracy, "CategoricalAccuracy", {}, "onehot")
    case(metrics.BinaryAccuracy, "BinaryAccuracy", {}, "binary")
    case(metrics.BinaryAccuracy, "BinaryAccuracy", {"threshold": 0.1}, "binary")
    case(metrics.Mean, "Mean", {}, "values")
    case(Perplexity, "Perplexity", {"from_logits": True}, "tokens")
    case(Perplexity, "Perplexity", {}, "probabilities")
    case(Perplexity, "Perplexity", {"from_logits": True, "mask_token_id": 3}, "tokens")
    case(Perplexity, "Perplexity", {"from_logits": True, "mask_token_id": 3}, "masked")
    case(metrics.SparseCategoricalCrossentropy, "sparse_categorical_crossentropy", {}, "probabilities")
    case(metrics.MeanSquaredError, "mean_squared_error", {}, "onehot")
    write("training/metrics", {"inputs": {name: batches(of) for name, of in inputs.items()}, "cases": cases})


if __name__ == "__main__":
    record_optimizers()
    record_schedules()
    record_losses()
    record_metrics()
