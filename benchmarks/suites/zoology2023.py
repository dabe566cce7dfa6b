"""Arora et al. 2023, "Zoology: Measuring and Improving Recall in Efficient Language Models", arXiv:2312.04927.

Multi-query associative recall: attention solves it at any width, and what carries a fixed state has a hard time. And
Okpekpe & Orvieto 2025 (arXiv:2508.19029): much of that hard time is the learning rate, which has to be hit; and what a
short convolution does is what one layer cannot do alone, to see that a value came after its key.

Named before the first run: the arms, claims and budget below, at six learning rates, with fresh sequences in every
step. Nothing is said to fail but within this budget: arms differ fivefold in how many steps they need. Values are
tagged [p] printed in the paper, [c] in its code (HazyResearch/zoology, d88d6f5), [o] our choice.
"""

from ...baselines.delta import DeltaNet
from ...baselines.linear_attention import LinearAttention
from ...baselines.lstm import LSTM
from ...baselines.transformer import Transformer
from ...ntm.memory import Zeros
from ...report.claims import CannotSolve, Claim, Faster, Solves
from ..core import Experiment, Suite, Training
from ..learning_rates import Cosine
from ..optimizers import AdamW, GlobalNorm
from ..protocols import Model
from ..tasks.mqar import MQAR

TASK = MQAR(
    vocabulary=128,
    filler="random",
    train=(range(32, 33), range(4, 5)),
    test=((32, 4), (64, 4), (64, 8)),
)

MODELS: dict[str, Model] = {
    "attention-bare": Transformer(heads=2, units=0, positions="learned"),
    "attention": Transformer(heads=2, units=0, positions="learned", convolution=True),
    "deltanet-bare": DeltaNet(convolution=False),
    "deltanet": DeltaNet(),
    "mamba2": LinearAttention.mamba2(),
    "lstm": LSTM(units=64, layers=2, state=Zeros()),
}

ASIDE: dict[str, Model] = {
    "mamba2-bare": LinearAttention.mamba2(convolution=False),
    "attention-bare-1": Transformer(layers=1, heads=2, units=0, positions="learned"),
    "attention-1": Transformer(layers=1, heads=2, units=0, positions="learned", convolution=True),
    "deltanet-1": DeltaNet(layers=1),
    "mamba2-bare-1": LinearAttention.mamba2(layers=1, convolution=False),
    "mamba2-1": LinearAttention.mamba2(layers=1),
}

RATES = ("3e-4", "1e-3", "3e-3", "1e-2", "3e-2", "1e-1")
FLAT = ("1e-3", "3e-3", "1e-2")
"""The decade over which attention and the delta rule are said not to care."""
MIDDLE = ("3e-3", "1e-2")
"""At which one layer is tried, and Mamba-2 without its convolution."""


def training(rate: str) -> Training:
    """The same of all arms but for the rate."""
    return Training(
        optimizer=AdamW(float(rate), weight_decay=0.01),
        schedule=Cosine(warm_up=500),
        clip=GlobalNorm(1.0),
        batch=32,
        steps=5_000,
        eval_every=100,
        eval_sizes=((32, 4),),
        eval_batch=256,
        test_sequences=256,
        reduction="mean",
    )


def rated(name: str, rates: tuple[str, ...] = RATES) -> tuple[str, ...]:
    """The arms of a model, one a learning rate."""
    return tuple(f"{name}-{rate}" for rate in rates)


def experiments() -> tuple[Experiment, ...]:
    """Two layers at all rates, one layer, and what no claim asks of, at two."""
    cells = [(name, spec, rate) for name, spec in MODELS.items() for rate in RATES]
    cells += [(name, spec, rate) for name, spec in ASIDE.items() for rate in MIDDLE]
    return tuple(Experiment("mqar", TASK, f"{name}-{rate}", spec, training(rate)) for name, spec, rate in cells)


ZOOLOGY = "Arora et al. 2023, figure 2 (best of four rates, one seed)"
OKPEKPE = "Okpekpe & Orvieto 2025"

CLAIMS: tuple[Claim, ...] = (
    Solves(
        "zoology2023-attention",
        "Attention of two layers, without a convolution, recalls.",
        f"{ZOOLOGY}: 1.0 at all widths",
        "mqar",
        rated("attention-bare", FLAT),
        primary=True,
    ),
    Solves(
        "zoology2023-deltanet",
        "So does the delta rule, in a state of fixed size.",
        "Yang et al. 2024 [s]: perfect at 512 steps and 64 pairs over most widths",
        "mqar",
        rated("deltanet", FLAT),
        primary=True,
    ),
    *(
        Solves(
            f"zoology2023-{name}-at-{rate}",
            f"Over a decade of learning rates, that of {name} does not matter: {rate}.",
            f"{OKPEKPE}, figures 1 and 7: flat over about two decades",
            "mqar",
            (f"{name}-{rate}",),
        )
        for name in ("attention", "deltanet")
        for rate in FLAT
    ),
    Solves(
        "zoology2023-mamba2",
        "Mamba-2, whose memory decays and adds up, recalls too, at the right learning rate.",
        f"{OKPEKPE}, figures 1 and 2: near perfect in a narrow window of rates",
        "mqar",
        rated("mamba2"),
        primary=True,
    ),
    Faster(
        "zoology2023-delta-before-decay",
        "The delta rule recalls sooner than Mamba-2, each at its rate.",
        "Yang et al. 2024 [s]; in a pilot run of this sheet's scale a fifth of the steps [o]",
        "mqar",
        base="deltanet-3e-3",
        rival="mamba2-1e-2",
    ),
    CannotSolve(
        "zoology2023-lstm",
        "An LSTM of two layers does not recall at any rate in this budget.",
        "Beck et al. 2024, figure 14: the LSTM falls short of the sLSTM, which falls short of the mLSTM",
        "mqar",
        rated("lstm"),
        primary=True,
    ),
    CannotSolve(
        "zoology2023-deltanet-bare",
        "Without its short convolution the delta rule of two layers does not recall at any rate in this budget.",
        "its released code calls the convolution crucial (flash-linear-attention)",
        "mqar",
        rated("deltanet-bare"),
        primary=True,
    ),
    CannotSolve(
        "zoology2023-attention-bare-1",
        "One layer of attention does not recall,",
        f"{OKPEKPE}, table 2: 2 %",
        "mqar",
        rated("attention-bare-1", MIDDLE),
    ),
    Solves(
        "zoology2023-attention-1",
        "but one layer with a short convolution on queries, keys and values does.",
        f"{OKPEKPE}, table 2: 99 %",
        "mqar",
        rated("attention-1", MIDDLE),
    ),
    CannotSolve(
        "zoology2023-mamba2-bare-1",
        "One layer of Mamba-2 without its short convolution does not recall.",
        f"{OKPEKPE}, table 2: 2 % (Mamba)",
        "mqar",
        rated("mamba2-bare-1", MIDDLE),
    ),
)

suite = Suite(
    name="zoology2023",
    title="Multi-query recall: attention, delta rule and decay, convolution, depth, learning rate",
    paper="Arora et al. 2023, Zoology: Measuring and Improving Recall in Efficient Language Models, arXiv:2312.04927",
    experiments=experiments(),
    seeds=tuple(range(1, 9)),
    solved=0.1,
    relapse=1.0,
    claims=CLAIMS,
    sources={
        "task.vocabulary": "[o]; 8,192 [p]",
        "task.filler": "[o] the harder of the code's two; zeros in figure 2 [c]",
        "task.train": "[o]; (64, 4) to (512, 64) [p], and 100,000 sequences that return [c] where ours are fresh",
        "model.width": "[p] 64 is the narrowest of four",
        "model": "[o] without dropout, with root mean square norms, weights drawn as everywhere here; dropout 0.1, "
        "layer norms, embeddings of std 0.02 tied to the output [c]",
        "model.layers": "[p] 2, without feedforward layers [c]",
        "model.heads": "[o]; 1 of attention [c]",
        "model.positions": "[c] learned, of attention alone",
        "training.optimizer": "[c] AdamW; decay .01 of matrices [o], .1 [c]",
        "training.optimizer.learning_rate": "[o] six half-decades; four points from 1e-4 to 1e-2 [c]",
        "training.schedule": "[c] cosine; warm-up [o]",
        "training.batch": "[o]; 512 [c]",
        "training.steps": "[o]; up to 64 times 100,000 sequences [c]",
        "solved": "[o] 97.5 % of four answers; 99 % [c], which Mamba-2 comes short of after 4,000 steps of a pilot run",
        "seeds": "[o] the fewest by which the decisive claims can be decided; 1 [c]",
    },
    notes=(
        "Those who know the four values of a sequence but not which belongs to which key get 25 % right: the plateau "
        "that arms leave late or never is 3 wrong answers of 4, not 127 of 128.\n"
        "All matrix states are 2,048 floats a layer. Left out of figure 2: Hyena, RWKV-4, H3 and BaseConv.\n"
        "Positions of attention are learned, to 32 in training: at length 64 those beyond are as they began, so that "
        "its errors there say nothing of attention."
    ),
)
