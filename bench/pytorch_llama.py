#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training step of a vanilla LLaMA in PyTorch, beside which `photon bench train` is set.

    python3 bench/pytorch_llama.py configs/models/vanilla-600m.toml --batch 32 --length 2048
    photon bench train vanilla-600m --batch 32 --length 2048 --device cuda

The same work: bf16 weights in every product with float32 masters, gradients and moments, fused causal attention,
untied head, cross-entropy over tokens 2..T in float32, gradient norm and clipping at 1, fused AdamW; the model compiled.
MFU by the same count: 2 FLOPs per weight and row, 4 * width * layers per (query, visible key), times three; recomputation
uncounted; divided by the larger of the matrix rates (8192^3, bf16, random data, 20 products in a row) measured before
and after. Prints one line of JSON with the columns of photon's results. Neither building nor testing photon needs it.

Needs Python 3.11 (tomllib), PyTorch 2.3 or newer and an NVIDIA GPU.
"""

import argparse
import json
import statistics
import sys
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


def rotary_table(length, head_size, theta, device):
    """cos and sin of every position, (length, head_size / 2), in float32."""
    frequency = theta ** (-torch.arange(0, head_size, 2, dtype=torch.float64, device=device) / head_size)
    angle = torch.arange(length, dtype=torch.float64, device=device)[:, None] * frequency[None, :]
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Half-split rotation of x (B, heads, T, head_size)."""
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).type_as(x)


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps)
        return (y * self.weight.float()).type_as(x)


class Layer(nn.Module):
    def __init__(self, spec):
        super().__init__()
        width, ffn = spec["width"], spec["ffn"]
        self.heads, self.kv_heads = spec["heads"], spec.get("kv_heads", spec["heads"])
        self.head_size = width // self.heads
        kv_width = self.kv_heads * self.head_size
        self.attention_norm = RMSNorm(width, spec["norm_eps"])
        self.qkv = nn.Linear(width, width + 2 * kv_width, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.ffn_norm = RMSNorm(width, spec["norm_eps"])
        self.gate_up = nn.Linear(width, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)
        self.parts = [width, kv_width, kv_width]

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).split(self.parts, dim=-1)
        q = q.view(batch, length, self.heads, self.head_size).transpose(1, 2)
        k = k.view(batch, length, self.kv_heads, self.head_size).transpose(1, 2)
        v = v.view(batch, length, self.kv_heads, self.head_size).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, dim=1)
            v = v.repeat_interleave(self.heads // self.kv_heads, dim=1)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(attended.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.gate_up(self.ffn_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.embedding = nn.Embedding(spec["vocab"], spec["width"])
        self.layers = nn.ModuleList(Layer(spec) for _ in range(spec["layers"]))
        self.norm = RMSNorm(spec["width"], spec["norm_eps"])
        self.head = nn.Linear(spec["width"], spec["vocab"], bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, cos, sin):
        """Mean cross-entropy in nats over tokens 2..T of each row."""
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = self.head(self.norm(x))[:, :-1].flatten(0, 1)
        return F.cross_entropy(logits.float(), ids[:, 1:].flatten())


class Masters:
    """Float32 weights, gradients and moments beside the bf16 weights that the model computes with."""

    def __init__(self, model, learning_rate):
        self.weights = list(model.parameters())
        self.masters = [w.detach().float().clone() for w in self.weights]
        for master in self.masters:
            master.grad = torch.zeros_like(master)
        matrices = [m for m in self.masters if m.dim() > 1]
        others = [m for m in self.masters if m.dim() <= 1]
        self.adamw = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)

    def step(self):
        torch._foreach_copy_([m.grad for m in self.masters], [w.grad for w in self.weights])
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0, foreach=True)
        self.adamw.step()
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.masters)
        for weight in self.weights:
            weight.grad = None


class Autocast:
    """Float32 weights, rounded to bf16 for every product by autocast."""

    def __init__(self, model, learning_rate):
        self.weights = list(model.parameters())
        matrices = [w for w in self.weights if w.dim() > 1]
        others = [w for w in self.weights if w.dim() <= 1]
        self.adamw = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)


def training_flops(spec, length):
    """Of one row: three times the forward pass (docs/numbers.md)."""
    width, layers = spec["width"], spec["layers"]
    kv_width = width // spec["heads"] * spec.get("kv_heads", spec["heads"])
    stack = layers * (2 * width * width + 2 * width * kv_width + 3 * width * spec["ffn"])
    pairs = length * (length + 1) // 2
    forward = 2 * length * (stack + spec["vocab"] * width) + 4 * width * layers * pairs
    return 3 * forward


def matrix_rate(size=8192, products=20, rounds=7):
    """FLOP/s of a large bf16 product on random data, the best of some rounds."""
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    out = torch.empty_like(a)
    best = 0.0
    for _ in range(rounds + 1):  # the first one loads the library
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(products):
            torch.mm(a, b.t(), out=out)
        end.record()
        end.synchronize()
        best = max(best, 2.0 * size**3 * products / (begin.elapsed_time(end) / 1e3))
    return best


def load_spec(path):
    with open(path, "rb") as file:
        spec = tomllib.load(file)
    if "layers" not in spec:
        sys.exit(f"{path}: no vanilla model: it has no layers of its own")
    spec.setdefault("rope_theta", 10000.0)
    spec.setdefault("norm_eps", 1e-5)
    return spec


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a vanilla spec (configs/models/vanilla-*.toml)")
    parser.add_argument("--batch", type=int, default=32, help="rows of a step")
    parser.add_argument("--length", type=int, default=2048, help="tokens in a row")
    parser.add_argument("--precision", choices=["masters", "autocast"], default="masters",
                        help="bf16 weights with float32 masters, or float32 weights under autocast")
    parser.add_argument("--mode", default="default", help="of torch.compile, e.g. max-autotune; eager: not compiled")
    parser.add_argument("--steps", type=int, default=20, help="measured, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before, compilation included")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    spec = load_spec(options.model)
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False

    rate = matrix_rate()
    masters = options.precision == "masters"
    with torch.device("cuda"):
        model = Llama(spec)
    if masters:
        model = model.to(torch.bfloat16)
    optimizer = (Masters if masters else Autocast)(model, learning_rate=1e-4)
    run = model if options.mode == "eager" else torch.compile(model, mode=options.mode)
    ids = torch.randint(spec["vocab"], (options.batch, options.length), device="cuda")
    cos, sin = rotary_table(options.length, spec["width"] // spec["heads"], spec["rope_theta"], "cuda")

    def step():
        # Fused attention or none: never T x T in memory.
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=not masters):
                loss = run(ids, cos, sin)
            loss.backward()
        optimizer.step()
        return loss

    for _ in range(options.warm_up):
        loss = step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        loss = step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    if not torch.isfinite(loss).item():
        sys.exit("the training loss is not finite")
    memory = torch.cuda.max_memory_allocated()
    del optimizer, run, model, loss
    torch.cuda.empty_cache()
    rate = max(rate, matrix_rate())

    median = statistics.median(seconds)
    flops = options.batch * training_flops(spec, options.length)
    print(json.dumps({
        "model": spec["name"],
        "program": f"PyTorch {torch.__version__}, {options.mode}, {options.precision}",
        "device": torch.cuda.get_device_name(),
        "batch": options.batch,
        "length": options.length,
        "step_seconds": median,
        "samples": len(seconds),
        "spread": (max(seconds) - min(seconds)) / median,
        "step_tokens_per_s": options.batch * options.length / median,
        "step_flops": flops,
        "ceiling_matrix_flops_per_s": rate,
        "step_mfu": flops / median / rate,
        "memory_bytes": memory,
    }))


if __name__ == "__main__":
    main()
